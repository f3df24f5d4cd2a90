/** Leverage scores of keys: what leverage and compactor share. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { Random } from '../engine/random.js';
import { inverse } from './cholesky.js';

export const sketchOption = {
  sketch_dimension: z
    .int()
    .min(1)
    .default(48)
    .describe('keys that are wider are projected at random to so many channels'),
};

/** Added to the diagonal of the channels' products, as kvpress does. */
const RIDGE = 1e-2;

/**
 * Whether a press's keys were taken as they are. kvpress projects all at random, anew each time; only files in which the
 * identity stood for the projection (`sketch: identity`) can be made again.
 */
export function unsketched({ sketch }: Readonly<Record<string, unknown>>): true | undefined {
  return sketch === 'identity' || undefined;
}

/** A Gaussian projection [width, dimension]; one and the same for each size. */
function sketch(width: number, dimension: number): tf.Tensor2D {
  const random = new Random(`leverage sketch/${width}/${dimension}`);
  const values = Float32Array.from(
    { length: width * dimension },
    () => random.normal() / Math.sqrt(dimension),
  );
  return tf.tensor2d(values, [width, dimension]);
}

/** diag(X (XᵀX + εI)⁻¹ Xᵀ) of each head's centred keys X: [1, heads, rows] of [1, heads, rows, headDim]. */
export function leverageScores(keys: tf.Tensor4D, dimension: number): tf.Tensor3D {
  const [, heads, rows, headDim] = keys.shape;
  const centred = tf.sub(keys, tf.mean(keys, 2, true));
  const width = Math.min(dimension, headDim);
  const flat = tf.reshape(centred, [heads * rows, headDim]) as tf.Tensor2D;
  const x = tf.reshape(width === headDim ? flat : tf.matMul(flat, sketch(headDim, width)), [
    heads,
    rows,
    width,
  ]);
  const products = tf.matMul(x, x, true, false).dataSync();
  const inverses = Array.from({ length: heads }, (_, head) => {
    const own = Float64Array.from(products.subarray(head * width * width, (head + 1) * width * width));
    for (let i = 0; i < width; i++) own[i * width + i]! += RIDGE;
    return Array.from(inverse(own, width));
  });
  const solved = tf.matMul(x, tf.tensor3d(inverses.flat(), [heads, width, width]));
  return tf.reshape(tf.relu(tf.sum(tf.mul(solved, x), 2)), [1, heads, rows]);
}

/** Scores of all heads and rows brought to mean 0 and deviation 1 (n − 1). */
export function standardised<T extends tf.Tensor>(scores: T): T {
  const centred = tf.sub(scores, tf.mean(scores));
  const variance = tf.div(tf.sum(tf.square(centred)), Math.max(1, scores.size - 1));
  return tf.div(centred, tf.maximum(tf.sqrt(variance), 1e-6)) as T;
}
