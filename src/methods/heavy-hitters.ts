/** Heavy hitters: rows ranked by the attention they have drawn. What h2i and h2a share. */
import * as tf from '@tensorflow/tfjs-core';
import type { TokenBatch } from '../models/batch.js';

/** Attention that each key drew from all valid queries, summed over the query heads of its group: [batch, kvHeads, keys]. */
export function accumulatedAttention(weights: tf.Tensor5D, batch: TokenBatch): tf.Tensor3D {
  const valid = new Float32Array(batch.batch * batch.tokens);
  batch.lengths.forEach((length, row) => valid.fill(1, row * batch.tokens, row * batch.tokens + length));
  const queries = tf.tensor(valid, [batch.batch, 1, 1, batch.tokens, 1]);
  return tf.sum(tf.mul(weights, queries), [2, 3]);
}
