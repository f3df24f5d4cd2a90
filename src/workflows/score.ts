/** `kvd score`: marks of predictions that any program wrote, without a model. */
import { basename } from 'node:path';
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import { readJsonLines } from '../base/files.js';
import type { Answered } from '../evaluation/metrics/answered.js';
import { metrics } from '../evaluation/metrics/index.js';
import { mean, standardErrorOfMean, standardErrorOfProportion } from '../evaluation/statistics.js';
import type { Table } from '../reports/table.js';
import { writers } from '../reports/writers/index.js';
import type { MetricName } from '../tasks/task.js';
import { compareMetric, comparisonTable, type MetricComparison } from './compare.js';

export interface ScoreOptions {
  predictions: string;
  /** File with the references, where the predictions' own lines have none. */
  references?: string | undefined;
  /** A second file of predictions, tested against the first. */
  against?: string | undefined;
  /** All that the lines allow where none is given. */
  metrics?: readonly string[] | undefined;
}

export interface Score {
  metric: string;
  n: number;
  mean: number;
  /** Standard error of the mean: binomial for marks of 0 and 1, else the sample's deviation over √n. */
  stderr: number;
}

export interface ScoreResult {
  predictions: string;
  scores: Score[];
  against?: { predictions: string; scores: Score[]; comparison: MetricComparison[] };
}

const texts = z.union([z.string().transform((text) => [text]), z.array(z.string()).min(1)]);

/** What a line may hold; other keys are let be. */
const lineSchema = z.looseObject({
  id: z.union([z.string(), z.number()]).transform(String).optional(),
  prediction: z.string().optional(),
  references: texts.optional(),
  choices: z.array(z.string()).min(2).optional(),
  correct: z.int().min(0).optional(),
  choice_log_likelihoods: z.array(z.number()).optional(),
});
type Line = z.output<typeof lineSchema>;

const FORMAT =
  'Each line is a JSON object: {"id": "q1", "prediction": "Paris", "references": ["Paris", "the city of Paris"]}; for questions with choices also "choices", "correct" (from 0) and, for their likelihoods, "choice_log_likelihoods".';

/** Lines by id, or by their number where they have none. */
function readLines(path: string): Map<string, Line & { where: string }> {
  const found = new Map<string, Line & { where: string }>();
  readJsonLines(path, 2 ** 30).forEach(({ line, value }, i) => {
    const where = `${path}:${line}`;
    const parsed = lineSchema.safeParse(value);
    if (!parsed.success) {
      throw new UserError('bad-line', z.prettifyError(parsed.error), { where, hint: FORMAT });
    }
    const id = parsed.data.id ?? `${i + 1}`;
    if (found.has(id)) throw new UserError('bad-line', `a second line with id ${id}`, { where });
    found.set(id, { ...parsed.data, where });
  });
  if (found.size === 0) throw new UserError('no-predictions', 'holds no line', { where: path, hint: FORMAT });
  return found;
}

function answeredOf(id: string, line: Line & { where: string }, reference: Line | undefined): Answered {
  const { prediction, where } = line;
  const references = reference?.references ?? line.references;
  const choices = reference?.choices ?? line.choices;
  const correct = reference?.correct ?? line.correct;
  if (prediction === undefined)
    throw new UserError('bad-line', 'has no "prediction"', { where, hint: FORMAT });
  if (references === undefined && (choices === undefined || correct === undefined)) {
    throw new UserError('no-references', `nothing is known that ${id} should have been`, {
      where,
      hint: `Name a file with --references, or: ${FORMAT}`,
    });
  }
  const likelihoods = line.choice_log_likelihoods;
  if (choices !== undefined && (correct ?? 0) >= choices.length) {
    throw new UserError('bad-line', `"correct" is ${correct}, of ${choices.length} choices`, { where });
  }
  if (choices !== undefined && likelihoods !== undefined && likelihoods.length !== choices.length) {
    throw new UserError('bad-line', `${likelihoods.length} likelihoods for ${choices.length} choices`, {
      where,
    });
  }
  return {
    output: prediction,
    references: references ?? [choices![correct!]!],
    ...(choices !== undefined && correct !== undefined && { choices: { texts: choices, correct } }),
    ...(likelihoods !== undefined && { choiceLikelihoods: likelihoods }),
  };
}

/** What every sample was marked for, by id; the references' ids, where there are some, must all be there. */
function readAnswered(
  path: string,
  references: ReturnType<typeof readLines> | undefined,
): Map<string, Answered> {
  const lines = readLines(path);
  const missing = [...(references?.keys() ?? [])].filter((id) => !lines.has(id));
  if (missing.length > 0) {
    throw new UserError(
      'missing-predictions',
      `no prediction for ${missing.length} ids, such as ${missing[0]}`,
      {
        where: path,
        hint: 'A mean over some of the questions alone would flatter or wrong the model.',
      },
    );
  }
  return new Map([...lines].map(([id, line]) => [id, answeredOf(id, line, references?.get(id))]));
}

/** Metrics that all samples can be marked by. */
function possible(samples: readonly Answered[]): MetricName[] {
  const choices = samples.every((sample) => sample.choices !== undefined);
  const likelihoods = samples.every((sample) => sample.choiceLikelihoods !== undefined);
  return (Object.keys(metrics) as MetricName[]).filter((name) => {
    if (metrics[name].of === 'choices') return choices && likelihoods;
    return name !== 'letter_accuracy' || choices;
  });
}

function chosenMetrics(given: readonly string[] | undefined, samples: readonly Answered[]): MetricName[] {
  const able = possible(samples);
  if (given === undefined || given.length === 0) return able;
  const unable = given.find((name) => !able.includes(name as MetricName));
  if (unable === undefined) return given as MetricName[];
  throw new UserError('no-such-metric', `metric ${unable} cannot be had of these lines`, {
    hint: `These can: ${able.join(', ')}.`,
  });
}

type Marks = Map<MetricName, Map<string, number>>;

function marksOf(samples: ReadonlyMap<string, Answered>, names: readonly MetricName[]): Marks {
  return new Map(
    names.map((name) => [
      name,
      new Map([...samples].map(([id, sample]) => [id, metrics[name].mark(sample)])),
    ]),
  );
}

function scoresOf(marks: Marks): Score[] {
  return [...marks].map(([metric, bySample]) => {
    const values = [...bySample.values()];
    const centre = mean(values);
    const binary = values.every((value) => value === 0 || value === 1);
    const stderr = binary ? standardErrorOfProportion(centre, values.length) : standardErrorOfMean(values);
    return { metric, n: values.length, mean: centre, stderr };
  });
}

/** Marks of one file of predictions, or of two and the test of their difference on the ids that both have. */
export function scoreFiles(options: ScoreOptions): ScoreResult {
  const references = options.references === undefined ? undefined : readLines(options.references);
  const first = readAnswered(options.predictions, references);
  const second = options.against === undefined ? undefined : readAnswered(options.against, references);
  const names = chosenMetrics(options.metrics, [...first.values(), ...(second?.values() ?? [])]);
  const marks = marksOf(first, names);
  const result: ScoreResult = { predictions: options.predictions, scores: scoresOf(marks) };
  if (second === undefined) return result;
  const others = marksOf(second, names);
  const shared = [...first.keys()].filter((id) => second.has(id));
  if (shared.length === 0) {
    throw new UserError('nothing-to-compare', 'shares no id with the first file', {
      where: options.against!,
    });
  }
  const comparison = names.map((name) =>
    compareMetric(
      name,
      shared.map((id) => [marks.get(name)!.get(id)!, others.get(name)!.get(id)!]),
    ),
  );
  return { ...result, against: { predictions: options.against!, scores: scoresOf(others), comparison } };
}

/** The result as tables. */
export function renderScores({ predictions, scores, against }: ScoreResult): string {
  const table = (file: string, own: readonly Score[]): Table => ({
    title: basename(file),
    columns: [
      { key: 'metric', label: 'metric', align: 'left' },
      { key: 'mean', label: 'mean %', align: 'right' },
      { key: 'n', label: 'n', align: 'right' },
    ],
    rows: own.map(({ metric, n, mean: value, stderr }) => ({
      metric,
      mean: { value: 100 * value, stderr: 100 * stderr, digits: 2 },
      n: `${n}`,
    })),
    notes: ['± one standard error over the samples.'],
  });
  const tables = [table(predictions, scores)];
  if (against !== undefined) {
    const cell = `${basename(predictions)} → ${basename(against.predictions)}`;
    tables.push(
      table(against.predictions, against.scores),
      comparisonTable([{ cell, metrics: against.comparison }]),
    );
  }
  return tables.map((one) => writers.get('terminal').write(one)).join('\n');
}
