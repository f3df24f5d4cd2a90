/** Which rows of a cache stay: what all methods share once they have scores. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { makeBatch, type TokenBatch } from '../models/batch.js';
import { evenCounts, gatherRows, type KvCache, type RowCounts } from '../models/cache.js';
import type { ScoringRequest } from './method.js';

/** The option that every method with sinks has. */
export const sinkOption = z
  .int()
  .min(0)
  .max(9)
  .default(4)
  .describe(
    'sink tokens: the first tokens of the context (of its first fold, where it folds), kept whatever their score',
  );

/** The contexts of a request, or sequences that begin with them, as a batch at the positions asked for. */
export function requestBatch(
  request: ScoringRequest,
  sequences: readonly (readonly number[])[] = request.contexts,
): TokenBatch {
  return makeBatch(sequences, request.starts === undefined ? {} : { starts: request.starts });
}

/** Where each sequence stands: its first position and its length. */
export type Extents = Pick<TokenBatch, 'starts' | 'lengths'>;

/** How many of each sequence's first tokens are sinks: those at positions below `sinks`. */
export function sinkCounts({ starts, lengths }: Extents, sinks: number): number[] {
  return lengths.map((length, row) => Math.min(Math.max(sinks - starts[row]!, 0), length));
}

/**
 * Scores with padding last and sinks first, so that a plain top-k obeys both.
 * @param scores [batch, heads or 1, tokens]
 */
export function withSinksAndPadding(scores: tf.Tensor3D, extents: Extents, sinks: number): tf.Tensor3D {
  const tokens = scores.shape[2];
  const sunken = sinkCounts(extents, sinks);
  const place = extents.lengths.map((length, row) =>
    Array.from({ length: tokens }, (_, t) => (t >= length ? -1 : t < sunken[row]! ? 1 : 0)),
  );
  const places = tf.expandDims(tf.tensor2d(place, [place.length, tokens], 'int32'), 1);
  const spread = tf.broadcastTo(places, scores.shape);
  const sunk = tf.where(tf.equal(spread, 1), tf.fill(scores.shape, 1e30), scores);
  return tf.where(tf.equal(spread, -1), tf.fill(scores.shape, -1e30), sunk) as tf.Tensor3D;
}

/** Row numbers of the `width` best scores, best first, int32 [batch, heads or 1, width]. */
export function topRows(scores: tf.Tensor3D, extents: Extents, sinks: number, width: number): tf.Tensor3D {
  return tf.topk(withSinksAndPadding(scores, extents, sinks), width).indices;
}

/**
 * Keeps the best-scored rows of each layer and head.
 * @param scores per layer [batch, kvHeads or 1, tokens]; layers may share one tensor
 * @param counts per layer how many rows of each sequence and head
 */
export function keepCounted(
  cache: KvCache,
  scores: readonly tf.Tensor3D[],
  extents: Extents,
  counts: readonly RowCounts[],
  sinks: number,
): KvCache {
  const chosen: { score: tf.Tensor3D; own: RowCounts; rows: tf.Tensor3D }[] = [];
  const rows = scores.map((score, layer) => {
    const own = counts[layer]!;
    const known = chosen.find((one) => one.score === score && one.own === own);
    if (known !== undefined) return known.rows;
    const found = topRows(score, extents, sinks, Math.max(1, ...own.flat()));
    chosen.push({ score, own, rows: found });
    return found;
  });
  return gatherRows(cache, rows, counts);
}

/**
 * Keeps the best-scored rows, as many in every layer and head.
 * @param scores per layer [batch, kvHeads or 1, tokens]; layers may share one tensor
 * @param kept rows of each sequence
 */
export function keepTopRows(
  cache: KvCache,
  scores: readonly tf.Tensor3D[],
  extents: Extents,
  kept: readonly number[],
  sinks: number,
): KvCache {
  return keepCounted(cache, scores, extents, evenCounts(kept, scores.length), sinks);
}
