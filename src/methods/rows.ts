/** Rows that hold something, and scores of one sequence at a time. */
import * as tf from '@tensorflow/tfjs-core';
import type { Extents } from './selection.js';

/** 1 at rows that hold something, 0 at padding: [batch, 1, rows]. */
export function realRows({ lengths }: Pick<Extents, 'lengths'>, rows: number): tf.Tensor3D {
  const marks = lengths.flatMap((length) => Array.from({ length: rows }, (_, t) => (t < length ? 1 : 0)));
  return tf.tensor3d(marks, [lengths.length, 1, rows]);
}

/**
 * Scores made one sequence at a time, padded with zeros: [batch, heads, rows].
 * @param scoreOf scores [1, heads, length] of the sequence numbered `sequence`
 */
export function bySequence(
  lengths: readonly number[],
  rows: number,
  scoreOf: (sequence: number, length: number) => tf.Tensor3D,
): tf.Tensor3D {
  const all = lengths.map((length, sequence) =>
    tf.pad(scoreOf(sequence, length), [
      [0, 0],
      [0, 0],
      [0, rows - length],
    ]),
  );
  return tf.concat(all, 0);
}

/** Lengths along the last axis: tf.norm would take them by powers, which costs ten times as much. */
export function rowLengths(x: tf.Tensor, keepDims = false): tf.Tensor {
  return tf.sqrt(tf.sum(tf.square(x), -1, keepDims));
}

/** Rows brought to length 1 along the last axis; those shorter than `least` are divided by it. */
export function unitRows<T extends tf.Tensor>(x: T, least: number): T {
  return tf.div(x, tf.maximum(rowLengths(x, true), least)) as T;
}
