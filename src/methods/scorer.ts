/** Learned scores of a context's tokens, and what is selected by them. */
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import type { Random } from '../engine/random.js';
import { PAD_POSITION, span, type TokenBatch } from '../models/batch.js';
import { concatPositions, type KvCache } from '../models/cache.js';
import type { ModelConfig } from '../models/config.js';
import { normalMatrix, readMatrix, withSafetensors, writeMatrices } from './matrices.js';
import { topRows } from './selection.js';

/** `s = relu(h W1) W2`, one score a token (section 3.1; the FFN's shape and the scores' scale are ours). */
export interface Scorer {
  /** [hidden, hidden] */
  hidden: tf.Tensor2D;
  /** [hidden, 1] */
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

export function freshScorer(
  config: ModelConfig,
  options: { scorer_bias: number; score_spread: number | null },
  random: Random,
): Scorer {
  const width = config.hiddenSize;
  return {
    hidden: normalMatrix(random, width, width, width ** -0.5),
    output: normalMatrix(random, width, 1, width ** -0.5),
    bias: options.scorer_bias,
    spread: options.score_spread,
  };
}

export function scorerTensors({ hidden, output }: Scorer): Record<string, tf.Tensor2D> {
  return { 'scorer.hidden': hidden, 'scorer.output': output };
}

export function saveScorer(folder: string, { hidden, output }: Scorer): void {
  writeMatrices(join(folder, SCORER_WEIGHTS), {
    'scorer.hidden.weight': hidden,
    'scorer.output.weight': output,
  });
}

export function loadScorer(
  folder: string,
  config: ModelConfig,
  settings: { scorer_bias: number; score_spread: number | null },
): Scorer {
  const path = join(folder, SCORER_WEIGHTS);
  const width = config.hiddenSize;
  return withSafetensors(path, (source) => ({
    hidden: readMatrix(source, 'scorer.hidden.weight', [width, width], path),
    output: readMatrix(source, 'scorer.output.weight', [width, 1], path),
    bias: settings.scorer_bias,
    spread: settings.score_spread,
  }));
}

/**
 * Scores of a batch's tokens from the residual stream after η frozen layers (section 3.1): [batch, tokens].
 * Only their order within a context decides what is kept; where the scorer has a `spread`, they are brought
 * to mean `bias` and standard deviation `spread` over each context, its sinks not counted, so that σ(s)
 * cannot saturate for all rows at once, where no gradient would be left.
 * @param hidden [batch·tokens, hidden]
 */
export function scoreTokens(
  scorer: Scorer,
  hidden: tf.Tensor2D,
  batch: TokenBatch,
  sinks: number,
): tf.Tensor2D {
  const shape: [number, number] = [batch.batch, batch.tokens];
  const raw = tf.reshape<tf.Rank.R2>(
    tf.matMul(tf.relu(tf.matMul(hidden, scorer.hidden)), scorer.output),
    shape,
  );
  if (scorer.spread === null) return tf.add<tf.Tensor2D>(raw, scorer.bias);
  const first = (length: number): number => Math.min(sinks, length);
  const mask = tf.tensor2d(
    span(batch, first, (length) => length),
    shape,
  );
  const count = tf.maximum(tf.sum(mask, 1, true), 1);
  const centred = tf.sub(raw, tf.div(tf.sum(tf.mul(raw, mask), 1, true), count));
  const variance = tf.div(tf.sum(tf.mul(tf.square(centred), mask), 1, true), count);
  const unit = tf.div(centred, tf.sqrt(tf.add(variance, 1e-6)));
  return tf.add<tf.Tensor2D>(tf.mul(unit, scorer.spread), scorer.bias);
}

/** 1 for selected tokens, 0 for the others, [batch, tokens]; not differentiable. */
export function selectTokens(
  scores: tf.Tensor2D,
  lengths: readonly number[],
  kept: readonly number[],
  sinks: number,
): tf.Tensor2D {
  return tf.tidy(() => {
    const [batch, tokens] = scores.shape;
    const width = Math.max(...kept);
    const rows = topRows(tf.expandDims(scores, 1), lengths, sinks, width).dataSync();
    const chosen = new Float32Array(batch * tokens);
    kept.forEach((count, row) => {
      for (let i = 0; i < count; i++) chosen[row * tokens + rows[row * width + i]!] = 1;
    });
    return tf.tensor2d(chosen, [batch, tokens]);
  });
}

/** The cache with unselected rows hidden from every query. */
export function hideRows(cache: KvCache, selected: tf.Tensor2D): KvCache {
  const chosen = tf.expandDims(selected, 1) as tf.Tensor3D;
  const empty = tf.zeros([chosen.shape[0], 1, 0]) as tf.Tensor3D;
  const spread = concatPositions(cache.positions[0]!, empty);
  const hidden = tf.where(tf.greater(chosen, 0), spread, tf.fill(chosen.shape, PAD_POSITION)) as tf.Tensor3D;
  return { ...cache, positions: cache.positions.map(() => hidden) };
}
