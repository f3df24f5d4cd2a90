/** Which rows of a cache stay: what all methods share once they have scores. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { makeBatch, type TokenBatch } from '../models/batch.js';
import { gatherRows, type KvCache } from '../models/cache.js';
import type { CompressionRequest } from './method.js';

/** The option that every method with sinks has. */
export const sinkOption = z
  .int()
  .min(0)
  .max(9)
  .default(4)
  .describe('sink tokens: the first tokens of the context, kept whatever their score');

/** The contexts of a request, or sequences that begin with them, as a batch at the positions asked for. */
export function requestBatch(
  request: CompressionRequest,
  sequences: readonly (readonly number[])[] = request.contexts,
): TokenBatch {
  return makeBatch(sequences, request.starts === undefined ? {} : { starts: request.starts });
}

/**
 * Scores with padding last and sinks first, so that a plain top-k obeys both.
 * @param scores [batch, heads or 1, tokens]
 */
export function withSinksAndPadding(
  scores: tf.Tensor3D,
  lengths: readonly number[],
  sinks: number,
): tf.Tensor3D {
  const tokens = scores.shape[2];
  const place = lengths.map((length) =>
    Array.from({ length: tokens }, (_, t) => (t >= length ? -1 : t < sinks ? 1 : 0)),
  );
  const places = tf.expandDims(tf.tensor2d(place, [lengths.length, tokens], 'int32'), 1);
  const spread = tf.broadcastTo(places, scores.shape);
  const sunk = tf.where(tf.equal(spread, 1), tf.fill(scores.shape, 1e30), scores);
  return tf.where(tf.equal(spread, -1), tf.fill(scores.shape, -1e30), sunk) as tf.Tensor3D;
}

/** Row numbers of the `width` best scores, best first, int32 [batch, heads or 1, width]. */
export function topRows(
  scores: tf.Tensor3D,
  lengths: readonly number[],
  sinks: number,
  width: number,
): tf.Tensor3D {
  return tf.topk(withSinksAndPadding(scores, lengths, sinks), width).indices;
}

/**
 * Keeps the best-scored rows of each layer and head.
 * @param scores per layer [batch, kvHeads or 1, tokens]; layers may share one tensor
 */
export function keepTopRows(
  cache: KvCache,
  scores: readonly tf.Tensor3D[],
  lengths: readonly number[],
  kept: readonly number[],
  sinks: number,
): KvCache {
  const width = Math.max(...kept);
  const chosen = new Map<tf.Tensor3D, tf.Tensor3D>();
  const rows = scores.map((score) => {
    const known = chosen.get(score) ?? topRows(score, lengths, sinks, width);
    chosen.set(score, known);
    return known;
  });
  return gatherRows(cache, rows, kept);
}

/**
 * Plain prefill, then the best rows by scores that need nothing but positions and token ids.
 * @param scoreOf score of every token of one context
 */
export function compressByContextScores(
  request: CompressionRequest,
  sinks: number,
  scoreOf: (ids: readonly number[]) => ArrayLike<number>,
): KvCache {
  return tf.tidy(() => {
    const { model, contexts, kept } = request;
    const batch = requestBatch(request);
    const flat = new Float32Array(batch.batch * batch.tokens);
    contexts.forEach((ids, row) => flat.set(Array.from(scoreOf(ids)), row * batch.tokens));
    const scores = tf.tensor3d(flat, [batch.batch, 1, batch.tokens]);
    const { cache } = model.forward(batch, { cacheOnly: true });
    const perLayer = cache.keys.map(() => scores);
    return keepTopRows(cache, perLayer, batch.lengths, kept, sinks);
  });
}
