/** Attention within chunks that looks both ways: what noncausal-attention and compactor share. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { rowLengths } from './rows.js';

export const chunkOption = {
  chunk_size: z.int().min(1).default(256).describe('rows that attend to each other'),
};

/**
 * Attention that rows draw from all queries of their chunk, earlier or later, unscaled, times their values' norms,
 * averaged over neighbours of 1 (zeros outside count): [1, kvHeads, rows].
 * @param queries [1, heads, rows, headDim]
 */
export function chunkedAttention(
  queries: tf.Tensor4D,
  keys: tf.Tensor4D,
  values: tf.Tensor4D,
  chunk: number,
): tf.Tensor3D {
  const [, kvHeads, rows, headDim] = keys.shape;
  const group = queries.shape[1] / kvHeads;
  const grouped = tf.reshape(queries, [kvHeads, group, rows, headDim]) as tf.Tensor4D;
  const pieces = Array.from({ length: Math.ceil(rows / chunk) }, (_, i) => {
    const count = Math.min(chunk, rows - i * chunk);
    const q = tf.reshape(tf.slice(grouped, [0, 0, i * chunk, 0], [-1, -1, count, -1]), [
      kvHeads,
      group * count,
      headDim,
    ]);
    const k = tf.reshape(tf.slice(keys, [0, 0, i * chunk, 0], [-1, -1, count, -1]), [
      kvHeads,
      count,
      headDim,
    ]);
    return tf.div(tf.sum(tf.softmax(tf.matMul(q, k, false, true)), 1), group);
  });
  const weighted = tf.mul(tf.reshape(tf.concat(pieces, 1), [1, kvHeads, rows]), rowLengths(values));
  const padded = tf.pad(weighted, [
    [0, 0],
    [0, 0],
    [1, 1],
  ]);
  const shifted = [0, 1, 2].map((i) => tf.slice(padded, [0, 0, i], [-1, -1, rows]));
  return tf.div(tf.addN(shifted), 3);
}
