/** Learned scores of a context's tokens, and what is selected by them. */
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { fused, fusedAvailable } from '../engine/fused.js';
import { recording } from '../engine/tape.js';
import type { Random } from '../engine/random.js';
import { flatRows, PAD_POSITION, span, type TokenBatch } from '../models/batch.js';
import { evenCounts, gatherRows, type KvCache } from '../models/cache.js';
import type { ModelConfig } from '../models/config.js';
import { product } from '../models/ops.js';
import { normalMatrix, readMatrix, withSafetensors, writeMatrices } from './matrices.js';
import { keepTopRows, sinkCounts, topRows, type Extents } from './selection.js';

/**
 * `s = relu(h W1) W2` (section 3.1; the FFN's shape and the scores' scale are ours): one score a token or, per head,
 * one for every layer and KV head, layer by layer.
 */
export interface Scorer {
  /** [hidden, hidden] */
  hidden: tf.Tensor2D;
  /** [hidden, 1] or [hidden, layers·kvHeads] */
  output: tf.Tensor2D;
  /** Constant: where it is high, rows start out undecayed, since σ(2) = 0.88. */
  bias: number;
  /** Standard deviation of the scores within a context; null leaves them as they come. */
  spread: number | null;
}

export const SCORER_WEIGHTS = 'scorer.safetensors';

/** The options that every method with a scorer has. */
export const scorerOptions = {
  scorer_bias: z
    .number()
    .default(0)
    .describe('mean score of a context, or constant where score_spread is null'),
  score_spread: z
    .number()
    .positive()
    .nullable()
    .default(2)
    .describe("standard deviation that a context's scores are brought to; null leaves them as they are"),
};

/** The scorer's part of an adapter's settings file. */
export const scorerSettings = {
  scorer_bias: z.number(),
  score_spread: z.number().positive().nullable(),
};

function scorerOutputs(config: ModelConfig, perHead: boolean): number {
  return perHead ? config.numLayers * config.numKvHeads : 1;
}

export function freshScorer(
  config: ModelConfig,
  options: { scorer_bias: number; score_spread: number | null },
  perHead: boolean,
  random: Random,
): Scorer {
  const width = config.hiddenSize;
  return {
    hidden: normalMatrix(random, width, width, width ** -0.5),
    output: normalMatrix(random, width, scorerOutputs(config, perHead), width ** -0.5),
    bias: options.scorer_bias,
    spread: options.score_spread,
  };
}

export function scorerTensors({ hidden, output }: Scorer): Record<string, tf.Tensor2D> {
  return { 'scorer.hidden': hidden, 'scorer.output': output };
}

/** Writes the scorer, and `more` matrices that belong to the selected tokens. */
export function saveScorer(
  folder: string,
  { hidden, output }: Scorer,
  more: Record<string, tf.Tensor2D> = {},
): void {
  writeMatrices(join(folder, SCORER_WEIGHTS), {
    'scorer.hidden.weight': hidden,
    'scorer.output.weight': output,
    ...more,
  });
}

export function loadScorer(
  folder: string,
  config: ModelConfig,
  settings: { scorer_bias: number; score_spread: number | null },
  perHead: boolean,
): Scorer {
  const path = join(folder, SCORER_WEIGHTS);
  const width = config.hiddenSize;
  return withSafetensors(path, (source) => ({
    hidden: readMatrix(source, 'scorer.hidden.weight', [width, width], path),
    output: readMatrix(source, 'scorer.output.weight', [width, scorerOutputs(config, perHead)], path),
    bias: settings.scorer_bias,
    spread: settings.score_spread,
  }));
}

/** ReLU, whose gradient in tfjs-core takes eight ops. */
function relu(x: tf.Tensor): tf.Tensor {
  const f = tf.customGrad((input, save) => {
    const value = tf.relu(input as tf.Tensor);
    (save as tf.GradSaveFunc)([value]);
    return {
      value,
      gradFunc: (dy: tf.Tensor, [y]: tf.Tensor[]) => tf.mul(dy, tf.cast(tf.greater(y!, 0), 'float32')),
    };
  });
  return f(x);
}

/**
 * Scores of a batch's tokens from the residual stream after η frozen layers (section 3.1): [batch, heads, tokens],
 * where heads is 1 or layers·kvHeads. Only their order within a context decides what is kept; where the scorer has a
 * `spread`, they are brought to mean `bias` and standard deviation `spread` over each context, its sinks not counted,
 * so that σ(s) cannot saturate for all rows at once, where no gradient would be left.
 * @param hidden [batch·tokens, hidden]
 */
export function scoreTokens(
  scorer: Scorer,
  hidden: tf.Tensor2D,
  batch: TokenBatch,
  sinks: number,
): tf.Tensor3D {
  const [, heads] = scorer.output.shape;
  const flat = tf.matMul(relu(product(hidden, scorer.hidden, { constant: true })), scorer.output);
  const raw = (
    heads === 1
      ? tf.reshape(flat, [batch.batch, 1, batch.tokens])
      : tf.transpose(tf.reshape(flat, [batch.batch, batch.tokens, heads]), [0, 2, 1])
  ) as tf.Tensor3D;
  if (scorer.spread === null) return tf.add<tf.Tensor3D>(raw, scorer.bias);
  const sunken = sinkCounts(batch, sinks);
  const mask = tf.tensor3d(
    span(
      batch,
      (_, row) => sunken[row]!,
      (length) => length,
    ),
    [batch.batch, 1, batch.tokens],
  );
  if (fusedAvailable() && recording()) {
    const options = { spread: scorer.spread, bias: scorer.bias };
    return fused('KvdStandardise', { scores: raw, mask }, options)[0] as tf.Tensor3D;
  }
  const count = tf.maximum(tf.sum(mask, 2, true), 1);
  const centred = tf.sub(raw, tf.div(tf.sum(tf.mul(raw, mask), 2, true), count));
  const variance = tf.div(tf.sum(tf.mul(tf.square(centred), mask), 2, true), count);
  const unit = tf.div(centred, tf.sqrt(tf.add(variance, 1e-6)));
  return tf.add<tf.Tensor3D>(tf.mul(unit, scorer.spread), scorer.bias);
}

/** The selected tokens of each sequence and head, best first: batch·heads lists of them. */
export function selectedTokens(
  scores: tf.Tensor3D,
  extents: Extents,
  kept: readonly number[],
  sinks: number,
): number[][] {
  return tf.tidy(() => {
    const [batch, heads] = scores.shape;
    const width = Math.max(...kept);
    const rows = topRows(scores, extents, sinks, width).dataSync();
    return Array.from({ length: batch * heads }, (_, list) => [
      ...rows.subarray(list * width, list * width + kept[Math.floor(list / heads)]!),
    ]);
  });
}

/**
 * 1 for selected tokens, 0 for the others, as the scores; not differentiable.
 * @param selected `batch·heads` lists of tokens
 * @param shape [batch, heads, tokens]
 */
export function markTokens(
  selected: readonly (readonly number[])[],
  shape: [batch: number, heads: number, tokens: number],
): tf.Tensor3D {
  const marks = new Float32Array(shape[0] * shape[1] * shape[2]);
  selected.forEach((tokens, list) => {
    for (const token of tokens) marks[list * shape[2] + token] = 1;
  });
  return tf.tensor3d(marks, shape);
}

/** Marks of the tokens that scores [batch, heads, tokens] select. */
export function selectTokens(
  scores: tf.Tensor3D,
  extents: Extents,
  kept: readonly number[],
  sinks: number,
): tf.Tensor3D {
  return markTokens(selectedTokens(scores, extents, kept, sinks), scores.shape);
}

/** What layers share, or each layer's heads of it: per layer [batch, 1 or kvHeads, …] of [batch, heads, …]. */
export function perLayer<T extends tf.Tensor>(x: T, layers: number): T[] {
  return x.shape[1] === 1 ? Array.from({ length: layers }, () => x) : (tf.split(x, layers, 1) as T[]);
}

/** Rows of a whole cache with the best scores, the rest gone; `kept` of each context. */
export function keepSelected(
  cache: KvCache,
  scores: tf.Tensor3D,
  extents: Extents,
  kept: readonly number[],
  sinks: number,
): KvCache {
  return keepTopRows(cache, perLayer(scores, cache.keys.length), extents, kept, sinks);
}

/**
 * The selected rows of a cache whose last layer holds them alone, in their order; all layers and heads keep the same.
 * @param selected tokens of each sequence
 */
export function keepTokens(cache: KvCache, selected: readonly (readonly number[])[]): KvCache {
  const before = cache.keys.length - 1;
  const rows = tf.tensor3d(
    flatRows(selected, 0),
    [selected.length, 1, cache.keys[before]!.shape[2]],
    'int32',
  );
  const counts = evenCounts(
    selected.map(({ length }) => length),
    before,
  );
  const lower = {
    ...cache,
    keys: cache.keys.slice(0, before),
    values: cache.values.slice(0, before),
    positions: cache.positions.slice(0, before),
  };
  const kept = gatherRows(
    lower,
    lower.keys.map(() => rows),
    counts,
  );
  return {
    ...cache,
    keys: [...kept.keys, cache.keys[before]!],
    values: [...kept.values, cache.values[before]!],
    positions: [...kept.positions, kept.positions[0] ?? cache.positions[before]!],
  };
}

/**
 * A whole cache with unselected rows hidden from every query: the same logits as without them.
 * @param selected [batch, heads, tokens] of 0 and 1
 * @param layers how many hold all rows; those behind them stay as they are
 */
export function hideRows(cache: KvCache, selected: tf.Tensor3D, layers = cache.keys.length): KvCache {
  if (layers === 0) return cache;
  const everywhere = tf.broadcastTo(cache.positions[0]!, selected.shape);
  const hidden = tf.where(tf.greater(selected, 0), everywhere, tf.fill(selected.shape, PAD_POSITION));
  const positions = [...perLayer(hidden as tf.Tensor3D, layers), ...cache.positions.slice(layers)];
  return { ...cache, positions };
}
