/** `kvd plan --dry-run`: an experiment's first steps and batches, on its data, with a narrow model of random weights. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../base/errors.js';
import { canonicalJson } from '../base/hash.js';
import { take } from '../base/iterate.js';
import { datasets } from '../data/index.js';
import { startEngine } from '../engine/index.js';
import { evaluateBatch } from '../evaluation/evaluate.js';
import { prepare } from '../evaluation/prepared.js';
import { configOf } from '../experiment/check.js';
import type { LoadedExperiment } from '../experiment/resolve.js';
import { keptTokens } from '../experiment/retention.js';
import type { Experiment } from '../experiment/schema.js';
import { validationOf } from '../experiment/validation.js';
import { methods } from '../methods/index.js';
import { disposeAdapter, type Adapter } from '../methods/trainable.js';
import { byteTokenizer } from '../models/byte-tokenizer.js';
import type { Decoder } from '../models/decoder.js';
import { narrow, randomDecoder } from '../models/random-decoder.js';
import { loadTokenizer, type Tokenizer } from '../models/tokenizer.js';
import { tasks } from '../tasks/index.js';
import { distill } from '../training/distill.js';
import { cellsOf, type Cell } from './cells.js';
import { withProgress } from './progress.js';
import { trainedMethod } from './train.js';

export interface DryBatch {
  task: string;
  method: string;
  budget: string;
  samples: number;
  /** Means over the samples; longer contexts were cut. */
  contextTokens: number;
  keptTokens: number;
  metrics: readonly string[];
}

export interface DryRun {
  /** The model's own tokenizer, or one token a byte where the model has not been pulled. */
  tokenizer: 'own' | 'bytes';
  /** Losses of the first steps; absent where nothing is trained. */
  losses?: number[];
  batches: DryBatch[];
}

export interface DryRunOptions {
  /** Contexts that are evaluated are cut to so many tokens. */
  context?: number | undefined;
  quiet: boolean;
}

const CONTEXT = 4096;
const STEPS = 2;
const MICRO_BATCHES = 2;
const SAMPLES = 2;
const NEW_TOKENS = 2;
/** Tokens of a reference answer. */
const REFERENCE = 64;

interface Narrow {
  model: Decoder;
  tokenizer: Tokenizer;
  /** Where files may be written. */
  folder: string;
}

type Training = NonNullable<Experiment['training']>;

/** Takes the first steps; saves the adapter and loads it again. */
async function dryTraining(
  experiment: Experiment,
  training: Training,
  { model, tokenizer, folder }: Narrow,
): Promise<{ losses: number[]; adapter: Adapter }> {
  const { trainable, options } = trainedMethod(experiment);
  const { name: dataset, ...dataOptions } = experiment.data;
  const adapter = trainable.fresh(model.config, options, experiment.seed);
  const losses: number[] = [];
  try {
    await distill(
      model,
      trainable,
      adapter,
      tokenizer,
      datasets.get(dataset).open(dataOptions, 'train'),
      {
        ...training,
        seed: experiment.seed,
        max_steps: STEPS,
        gradient_accumulation_steps: Math.min(MICRO_BATCHES, training.gradient_accumulation_steps),
        micro_batch_size: Math.min(SAMPLES, training.micro_batch_size),
        // Rows are missing, and folds as long as they get, from the first step on.
        retention_warmup_steps: 0,
        fold_warmup_steps: 0,
      },
      join(folder, 'state.safetensors'),
      {
        report: ({ loss }) => losses.push(loss),
        validate: () => Promise.resolve(0),
        best: () => trainable.save(join(folder, 'adapter'), adapter, experiment.model.name_or_path),
        stop: () => false,
      },
    );
    return { losses, adapter: trainable.load(join(folder, 'adapter'), model.config) };
  } finally {
    disposeAdapter(trainable, adapter);
  }
}

interface Asked extends Cell {
  task: string;
  taskOptions: Record<string, unknown>;
  split: string;
  foldTokens: number | undefined;
  intrinsic: boolean;
}

/** What is evaluated: the validation, and every method at the least that it is to keep. */
function askedOf(experiment: Experiment): Asked[] {
  const { evaluation, training, method } = experiment;
  const asked: Asked[] = [];
  if (training !== undefined) {
    const { task, task_options, fold_tokens } = validationOf(experiment);
    const { name, ...options } = method;
    asked.push({
      ...{ task, taskOptions: task_options, split: 'validation', method: name, options },
      budget: { kind: 'ratio', retention: training.eval_retention },
      label: `${100 * training.eval_retention} %`,
      foldTokens: fold_tokens,
      intrinsic: tasks.get(task).metrics.length === 0,
    });
  }
  if (evaluation === undefined) return asked;
  const { task, task_options, split, fold_tokens, intrinsic } = evaluation;
  const least = new Map<string, Cell>();
  const rows = ({ budget }: Cell): number => keptTokens(budget, CONTEXT);
  for (const cell of cellsOf(experiment)) {
    const key = canonicalJson([cell.method, cell.options]);
    const before = least.get(key);
    if (before === undefined || rows(cell) < rows(before)) least.set(key, cell);
  }
  const shared = { task, taskOptions: task_options, split, foldTokens: fold_tokens, intrinsic };
  return [...asked, ...[...least.values()].map((cell) => ({ ...shared, ...cell }))];
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Evaluates the first samples of one task with one method. */
async function dryBatch(
  asked: Asked,
  { model, tokenizer }: Narrow,
  trained: Adapter | undefined,
  seed: number,
  context: number,
): Promise<DryBatch> {
  const task = tasks.get(asked.task);
  const method = methods.get(asked.method);
  const { trainable } = method;
  const fits = trained !== undefined && trained.format === trainable?.format;
  const adapter = fits ? trained : trainable?.fresh(model.config, asked.options, seed);
  try {
    const batch = take(task.samples(asked.taskOptions, asked.split), SAMPLES)
      .map((sample) => prepare(sample, task, tokenizer))
      .map((sample) => ({
        ...sample,
        context: sample.context.slice(0, context),
        reference: sample.reference.slice(0, REFERENCE),
      }));
    if (batch.length === 0)
      throw new UserError('no-samples', `task ${task.name} has no sample in its split ${asked.split}`);
    const { foldTokens } = asked;
    const results = await evaluateBatch(
      {
        ...{ model, tokenizer, task, method, methodOptions: asked.options },
        ...(adapter !== undefined && { adapter }),
        keptRows: (length) => keptTokens(asked.budget, length),
        ...(foldTokens !== undefined && { foldTokens }),
        batchSize: SAMPLES,
        maxNewTokens: NEW_TOKENS,
        intrinsic: asked.intrinsic,
      },
      batch,
    );
    return {
      ...{ task: asked.task, method: asked.method, budget: asked.label, samples: batch.length },
      contextTokens: mean(results!.map(({ contextTokens }) => contextTokens)),
      keptTokens: mean(results!.map(({ keptTokens: kept }) => kept)),
      metrics: Object.keys(results![0]?.metrics ?? {}),
    };
  } finally {
    if (adapter !== undefined && !fits) disposeAdapter(trainable!, adapter);
  }
}

/**
 * Runs the first steps and batches of an experiment. Its data must be there, its model's weights need not be: the
 * model is narrow and of random weights. Whatever would stop the real run before its first numbers is thrown here.
 */
export async function dryRun({ experiment }: LoadedExperiment, options: DryRunOptions): Promise<DryRun> {
  const { config, folder: pulled } = configOf(experiment.model.name_or_path);
  const tokenizer = pulled === undefined ? byteTokenizer : loadTokenizer(pulled);
  await startEngine();
  const vocabulary = pulled === undefined ? tokenizer.vocabSize : config.vocabSize;
  const model = randomDecoder(narrow(config, vocabulary), experiment.seed);
  const folder = mkdtempSync(join(tmpdir(), 'kvd-dry-run-'));
  let adapter: Adapter | undefined;
  const { training, method } = experiment;
  const asked = askedOf(experiment);
  const context = options.context ?? Math.min(CONTEXT, config.maxPositionEmbeddings);
  const small = { model, tokenizer, folder };
  const done: DryRun = { tokenizer: pulled === undefined ? 'bytes' : 'own', batches: [] };
  try {
    return await withProgress(
      `Dry run of ${experiment.name}`,
      asked.length + 1,
      options.quiet,
      async (tick) => {
        if (training !== undefined) {
          const trained = await dryTraining(experiment, training, small);
          adapter = trained.adapter;
          done.losses = trained.losses;
          tick(1, 'first steps');
        }
        for (const [i, each] of asked.entries()) {
          done.batches.push(await dryBatch(each, small, adapter, experiment.seed, context));
          tick(i + 2, `${each.task}, ${each.method} at ${each.label}`);
        }
        return done;
      },
    );
  } finally {
    if (adapter !== undefined) disposeAdapter(methods.get(method.name).trainable!, adapter);
    model.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
}
