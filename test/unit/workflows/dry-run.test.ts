/** Every experiment at the scale of the paper takes its first steps: on real data where it lies beside the clone. */
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { LoadedExperiment } from '../../../src/experiment/resolve.js';
import type { Experiment } from '../../../src/experiment/schema.js';
import { dryRun } from '../../../src/workflows/dry-run.js';
import { paperExperiments } from '../../helpers/paper.js';

const folder = mkdtempSync(join(tmpdir(), 'kvd-dry-'));
const text = Array.from({ length: 12 }, (_, i) => `Room ${i} is blue.`).join(' ');
const context = text.slice(0, 140);

/** A file of two records in a dataset's own format. */
function standIn(name: string, record: (i: number) => object, whole?: (records: object[]) => object): string {
  const records = [0, 1].map(record);
  const path = join(folder, `${name}.${whole === undefined ? 'jsonl' : 'json'}`);
  const lines = records.map((each) => JSON.stringify(each)).join('\n');
  writeFileSync(path, whole === undefined ? `${lines}\n` : JSON.stringify(whole(records)));
  return path;
}

const instruction = 'What is blue?';
const files: Record<string, string> = {
  'self-instruct': standIn('self-instruct', () => ({ instruction, input: context, output: 'A room.' })),
  p3: standIn('p3', () => ({
    inputs_pretokenized: `${instruction}\n\n${context}`,
    targets_pretokenized: 'A room.',
  })),
  'long-alpaca': standIn('long-alpaca', () => ({
    instruction: `Below is a paper.\nThe paper begins. ${context} Now the paper ends. ${instruction}`,
    output: 'A room.',
  })),
  'natural-instructions': standIn('natural-instructions', () => ({
    definition: instruction,
    inputs: context,
    targets: 'A room.',
  })),
  squad: standIn(
    'squad',
    (i) => ({
      context,
      qas: [{ id: `${i}`, question: instruction, answers: [{ text: 'Room 1', answer_start: 0 }] }],
    }),
    (paragraphs) => ({ data: [{ paragraphs }] }),
  ),
  quality: standIn('quality', (i) => ({
    article_id: `${i}`,
    article: text,
    questions: [
      { question: instruction, question_unique_id: `${i}`, options: ['a', 'b', 'c', 'd'], gold_label: 1 },
    ],
  })),
  squality: standIn('squality', (i) => ({
    metadata: { passage_id: `${i}` },
    document: text,
    questions: [
      { question_text: instruction, question_number: 1, responses: [{ response_text: 'A room.' }] },
    ],
  })),
  govreport: standIn('govreport', () => ({ report: context, summary: 'Rooms.' })),
  needle: join(folder, 'essay.txt'),
};
writeFileSync(files.needle!, text);

const shared: Record<string, string> = {
  squad: 'squad/dev-v1.1-part.json',
  squality: 'squality/dev.jsonl',
  needle: 'needle',
};
for (const [name, path] of Object.entries(shared)) {
  const real = join('../shared/data', path);
  if (existsSync(real)) files[name] = real;
}

/** The same experiment on those files, its lengths a tenth or less. */
function small({ experiment, ...rest }: LoadedExperiment): LoadedExperiment {
  const { training, evaluation, data } = experiment;
  const sets = (data as { sets?: { name: string }[] }).sets?.map((set) => ({
    ...set,
    data: files[set.name],
  }));
  const fold = <T extends { fold_tokens?: number | undefined }>(part: T): T =>
    part.fold_tokens === undefined ? part : { ...part, fold_tokens: 64 };
  const changed = {
    ...experiment,
    ...(sets && { data: { ...data, sets } }),
    ...(training && {
      training: fold({
        ...training,
        max_context_tokens: 160,
        gradient_accumulation_steps: 1,
        ...(training.eval_task !== undefined && { eval_task_options: { data: files[training.eval_task] } }),
      }),
    }),
    ...(evaluation && {
      evaluation: fold({ ...evaluation, task_options: { data: files[evaluation.task] } }),
    }),
  } as Experiment;
  return { ...rest, experiment: changed };
}

describe('a dry run of', () => {
  it.each(paperExperiments())('%s', async (_name, experiments) => {
    for (const loaded of experiments.map(small)) {
      const { training, evaluation } = loaded.experiment;
      const done = await dryRun(loaded, { context: 150, quiet: true });
      expect(done.losses?.length).toBe(training && 2);
      for (const loss of done.losses ?? []) expect(loss).toBeGreaterThan(0);
      const names = done.batches.map(({ method }) => method);
      expect(names).toEqual(expect.arrayContaining(evaluation!.methods.map(({ name }) => name)));
      for (const { method, keptTokens, contextTokens, metrics } of done.batches) {
        expect(contextTokens, method).toBeGreaterThan(100);
        if (method === 'full') expect(keptTokens).toBe(contextTokens);
        else expect(keptTokens, method).toBeLessThan(contextTokens);
        expect(metrics.length, method).toBeGreaterThan(0);
      }
    }
  });
});
