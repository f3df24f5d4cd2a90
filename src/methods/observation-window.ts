/** SnapKV's scores: attention of the last tokens, pooled. What snapkv and snapkv-question share. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import type { TokenBatch } from '../models/batch.js';
import { sinkOption } from './selection.js';

export const windowOptions = z.strictObject({
  window_size: z
    .int()
    .min(1)
    .default(64)
    .describe('last tokens whose attention is observed; those of the context among them stay'),
  kernel_size: z
    .int()
    .min(1)
    .refine((size) => size % 2 === 1, 'must be odd')
    .default(5)
    .describe('width of the average pooling over neighbouring tokens, odd'),
  n_sink: sinkOption.default(0),
});

/** 1 at `start(row) ≤ i < end(row)`, else 0, [batch, tokens]. */
function span(
  batch: TokenBatch,
  start: (length: number) => number,
  end: (length: number) => number,
): Float32Array {
  const marks = new Float32Array(batch.batch * batch.tokens);
  batch.lengths.forEach((length, row) => {
    marks.fill(1, row * batch.tokens + start(length), row * batch.tokens + end(length));
  });
  return marks;
}

/**
 * kvpress's SnapKVPress: mean attention of the window's queries to what stands before the window, average-pooled
 * (zeros outside count), averaged over the query heads of a group; the window's own rows come first, the latest
 * foremost (kvpress leaves their order open). Where the window covers everything, that is the order of all.
 * @param weights [batch, kvHeads, group, tokens, keys]
 * @returns [batch, kvHeads, keys]
 */
export function windowScores(
  weights: tf.Tensor5D,
  batch: TokenBatch,
  { window_size, kernel_size }: { window_size: number; kernel_size: number },
): tf.Tensor3D {
  const { batch: rows, tokens } = batch;
  const start = (length: number): number => Math.max(0, length - window_size);
  const observers = tf.tensor(
    span(batch, start, (length) => length),
    [rows, 1, 1, tokens, 1],
  );
  const mean = tf.div(tf.sum(tf.mul(weights, observers), 3), tf.sum(observers, 3));
  const before = tf.mul(
    mean,
    tf.tensor(
      span(batch, () => 0, start),
      [rows, 1, 1, tokens],
    ),
  );
  const margin = (kernel_size - 1) / 2;
  const padded = tf.pad(before, [
    [0, 0],
    [0, 0],
    [0, 0],
    [margin, margin],
  ]);
  const shifted = Array.from({ length: kernel_size }, (_, i) =>
    tf.slice(padded, [0, 0, 0, i], [-1, -1, -1, tokens]),
  );
  const pooled = tf.mean(tf.div(tf.addN(shifted), kernel_size), 2) as tf.Tensor3D;
  // Above any mean of attention weights, which are at most 1.
  const order = tf.add(tf.div(tf.range(0, tokens), tokens), 2);
  const inWindow = tf.tensor(
    span(batch, start, (length) => length),
    [rows, 1, tokens],
  );
  return tf.where(tf.greater(inWindow, 0), tf.broadcastTo(order, pooled.shape), pooled) as tf.Tensor3D;
}
