/** Pre-training of nano base models from scratch, through a curriculum that advances on accuracy. */
import * as tf from '@tensorflow/tfjs-core';
import { drawSource, pieceWeights, stages, type Source } from '../data/nano/curriculum.js';
import type { Split } from '../data/nano/document.js';
import { abandonable } from '../engine/abandon.js';
import { Random } from '../engine/random.js';
import { makeBatch } from '../models/batch.js';
import type { Decoder } from '../models/decoder.js';
import { answerIds, questionIds } from '../models/prompt.js';
import type { Tokenizer } from '../models/tokenizer.js';
import { AdamW, clipCoefficient, type AdamWOptions, type NamedVariables } from './adamw.js';
import { assertFinite } from './finite.js';
import { crossEntropy } from './losses.js';
import { loadState, saveState } from './state.js';

export interface CurriculumStep {
  /** A stage of data/nano/curriculum. */
  name: string;
  /** Go on once this share of fresh questions is answered right. */
  until_accuracy: number;
}

export interface PretrainOptions extends AdamWOptions {
  seed: number;
  learning_rate: number;
  warmup_steps: number;
  micro_batch_size: number;
  /** Most steps in all, whatever was learned. */
  max_steps: number;
  /** Steps of linear decay once the last stage is learned. */
  decay_steps: number;
  max_grad_norm: number;
  save_steps: number;
  /** Steps between two measurements of the accuracy. */
  eval_steps: number;
  curriculum: readonly CurriculumStep[];
}

interface Progress {
  step: number;
  stage: number;
  /** Step at which the decay began, 0 before. */
  decayFrom: number;
  /** Whether the accuracy after this step has yet to be measured. */
  accuracyDue: boolean;
  /** Time spent in steps, over all sessions. */
  seconds: number;
}

export interface PretrainReport extends Progress {
  stageName: string;
  loss: number;
  accuracy: number;
  gradientNorm: number;
  tokensPerSecond: number;
}

interface Rows {
  ids: Int32Array[];
  labels: Int32Array;
  weights: Float32Array;
  answers: number[];
}

/** Token ids, next-token labels and loss weights of `count` sequences. */
export function makeRows(
  source: Source,
  split: Split,
  tokenizer: Tokenizer,
  seed: string,
  count: number,
): Rows {
  const width = source.tokens;
  const rows: Rows = {
    ids: [],
    labels: new Int32Array(count * width),
    weights: new Float32Array(count * width),
    answers: [],
  };
  for (let row = 0; row < count; row++) {
    const ids = [tokenizer.bosId];
    const weights = [0];
    const add = (tokens: readonly number[], weight: number): void => {
      for (const token of tokens) {
        ids.push(token);
        weights.push(weight);
      }
    };
    for (const piece of source.pieces(split, new Random(`${seed}/${row}`))) {
      const weight = pieceWeights[piece.kind];
      if (piece.kind === 'question') add(questionIds(tokenizer, piece.text), weight);
      else if (piece.kind === 'answer') add(answerIds(tokenizer, piece.text), weight);
      else add(tokenizer.encode(piece.text), weight);
    }
    const kept = ids.slice(0, width);
    rows.ids.push(Int32Array.from({ length: width }, (_, t) => kept[t] ?? tokenizer.padId));
    for (let t = 0; t < width && t + 1 < ids.length; t++) {
      const at = row * width + t;
      rows.labels[at] = ids[t + 1]!;
      rows.weights[at] = weights[t + 1]!;
      if (weights[t + 1] === pieceWeights.answer && ids[t + 1] !== tokenizer.eosId) rows.answers.push(at);
    }
  }
  return rows;
}

function logitsOf(model: Decoder, rows: Rows): tf.Tensor2D {
  return model.logits(model.forward(makeBatch(rows.ids)).hidden);
}

/** Share of answer tokens that are the likeliest, teacher-forced, on fresh sequences. */
export function answerAccuracy(model: Decoder, rows: Rows): number {
  return tf.tidy(() => {
    const predicted = tf.argMax(logitsOf(model, rows), 1).dataSync();
    const right = rows.answers.filter((at) => predicted[at] === rows.labels[at]).length;
    return right / Math.max(1, rows.answers.length);
  });
}

/** Sequences of a step made of `source`. */
function rowsOf(source: Source, microBatchSize: number): number {
  return Math.max(1, Math.round(source.rows * microBatchSize));
}

/** Answer accuracy on the source of a stage that is worst at it. */
function stageAccuracy(
  model: Decoder,
  sources: readonly Source[],
  tokenizer: Tokenizer,
  step: number,
): number {
  return Math.min(
    ...sources.map((source) =>
      answerAccuracy(model, makeRows(source, 'validation', tokenizer, `check/${step}`, rowsOf(source, 64))),
    ),
  );
}

/** Linear warm-up, then constant until the last stage is learned, then linear decay to a twentieth. */
function rateAt(progress: Progress, options: PretrainOptions): number {
  const warmup = Math.min(1, (progress.step + 1) / Math.max(1, options.warmup_steps));
  const decayed =
    progress.decayFrom === 0
      ? 1
      : Math.max(0.05, 1 - (progress.step - progress.decayFrom) / options.decay_steps);
  return options.learning_rate * warmup * decayed;
}

/**
 * Trains `parameters` of `model` in place; resumes from `statePath` where that exists.
 * @param report called every tenth step
 * @param stop asked before each step; true saves the state and returns
 */
export async function pretrain(
  model: Decoder,
  parameters: NamedVariables,
  tokenizer: Tokenizer,
  options: PretrainOptions,
  statePath: string,
  report: (report: PretrainReport) => void,
  stop: () => boolean = () => false,
): Promise<PretrainReport> {
  const optimiser = new AdamW(parameters, options);
  const resumed = loadState(statePath, parameters, optimiser) as Progress | undefined;
  const progress: Progress = { step: 0, stage: 0, decayFrom: 0, accuracyDue: false, seconds: 0, ...resumed };
  const variables = Object.values(parameters);
  let latest: PretrainReport = {
    ...progress,
    stageName: options.curriculum[progress.stage]!.name,
    loss: NaN,
    accuracy: NaN,
    gradientNorm: NaN,
    tokensPerSecond: 0,
  };
  const finished = (): boolean =>
    progress.step >= options.max_steps ||
    (progress.decayFrom > 0 && progress.step >= progress.decayFrom + options.decay_steps);

  /** Measures the accuracy and goes on to the next stage where it is reached; false where it was given up. */
  const takeAccuracy = (): boolean => {
    const { name, until_accuracy } = options.curriculum[progress.stage]!;
    const accuracy = abandonable(() => stageAccuracy(model, stages[name]!, tokenizer, progress.step));
    if (accuracy === undefined) return false;
    latest.accuracy = accuracy;
    progress.accuracyDue = false;
    if (progress.decayFrom === 0 && accuracy >= until_accuracy) {
      if (progress.stage + 1 < options.curriculum.length) progress.stage += 1;
      else progress.decayFrom = progress.step;
    }
    return true;
  };
  const leave = (): PretrainReport => {
    saveState(statePath, parameters, optimiser, progress);
    return latest;
  };

  if (progress.accuracyDue && !takeAccuracy()) return leave();
  while (!finished()) {
    if (stop()) return leave();
    const started = performance.now();
    const step = options.curriculum[progress.stage]!;
    const seed = `pretrain/${options.seed}/${progress.step}`;
    const source = drawSource(stages[step.name]!, seed);
    const count = rowsOf(source, options.micro_batch_size);
    const rows = makeRows(source, 'train', tokenizer, seed, count);
    const computed = abandonable(() =>
      tf.tidy(() => {
        const labels = tf.tensor1d(rows.labels, 'int32');
        const weights = tf.tensor1d(rows.weights);
        return tf.variableGrads(() => crossEntropy(logitsOf(model, rows), labels, weights), variables);
      }),
    );
    if (computed === undefined) return leave();
    const { value, grads } = computed;
    const byName = Object.fromEntries(
      Object.entries(parameters).map(([name, variable]) => [name, grads[variable.name]!]),
    );
    const { coefficient, norm } = clipCoefficient(byName, options.max_grad_norm);
    const loss = value.dataSync()[0]!;
    assertFinite({ step: progress.step + 1, loss, norm }, model, parameters, byName, statePath);
    optimiser.update(byName, rateAt(progress, options), coefficient);
    progress.step += 1;
    tf.dispose([value, ...Object.values(grads)]);

    const due = progress.step % options.eval_steps === 0;
    progress.accuracyDue = due;
    if (due && !takeAccuracy()) return leave();
    const seconds = (performance.now() - started) / 1000;
    progress.seconds += seconds;
    latest = {
      ...progress,
      stageName: step.name,
      loss,
      accuracy: latest.accuracy,
      gradientNorm: norm,
      tokensPerSecond: (count * source.tokens) / seconds,
    };
    if (due || progress.step % 10 === 0) report(latest);
    if (progress.step % options.save_steps === 0) saveState(statePath, parameters, optimiser, progress);
    await new Promise(setImmediate);
  }
  saveState(statePath, parameters, optimiser, progress);
  optimiser.dispose();
  return latest;
}
