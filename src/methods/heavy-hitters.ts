/** Heavy hitters: rows ranked by the attention they have drawn. What h2i and h2a share. */
import * as tf from '@tensorflow/tfjs-core';
import { makeBatch, type TokenBatch } from '../models/batch.js';
import type { KvCache } from '../models/cache.js';
import type { CompressionRequest } from './method.js';
import { keepTopRows } from './selection.js';

/** Attention that each key drew from all valid queries, summed over the query heads of its group: [batch, kvHeads, keys]. */
function accumulate(weights: tf.Tensor5D, batch: TokenBatch): tf.Tensor3D {
  const valid = new Float32Array(batch.batch * batch.tokens);
  batch.lengths.forEach((length, row) => valid.fill(1, row * batch.tokens, row * batch.tokens + length));
  const queries = tf.tensor(valid, [batch.batch, 1, 1, batch.tokens, 1]);
  return tf.sum(tf.mul(weights, queries), [2, 3]);
}

/**
 * Prefill that observes attention, then the heaviest rows of each layer and head.
 * @param queries token ids that attend, each starting with its context: the context alone, or with its question
 */
export function compressByAccumulatedAttention(
  request: CompressionRequest,
  queries: readonly number[][],
  sinks: number,
): KvCache {
  return tf.tidy(() => {
    const batch = makeBatch(queries);
    const { cache, observed } = request.model.forward(batch, {
      observeAttention: (_layer, weights) => accumulate(weights, batch),
    });
    const lengths = request.contexts.map((context) => context.length);
    const compressed = keepTopRows(cache, observed as tf.Tensor3D[], lengths, request.kept, sinks);
    return { ...compressed, nextPositions: lengths };
  });
}
