/** SnapKV's scores: attention of the last tokens, pooled. What snapkv and snapkv-question share. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { span, type TokenBatch } from '../models/batch.js';
import type { KvpressName } from './method.js';
import type { AttentionScore } from './prefill.js';
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

/** How kvpress has it, of which any parameter is an option here. */
export const windowPress: KvpressName = {
  press: 'SnapKVPress',
  options: ({ window_size, kernel_size }) => ({ window_size, kernel_size }),
  scores: 'values',
};

/**
 * kvpress's SnapKVPress: mean attention of the window's queries to what stands before the window, average-pooled
 * (zeros outside count), averaged over the query heads of a group; the window's own rows come first, the latest
 * foremost (kvpress leaves their order open). Where the window covers everything, that is the order of all.
 */
export function windowScores(
  batch: TokenBatch,
  { window_size, kernel_size }: { window_size: number; kernel_size: number },
): AttentionScore {
  const { batch: rows, tokens } = batch;
  const start = (length: number): number => Math.max(0, length - window_size);
  const window = span(batch, start, (length) => length);
  const prefix = span(batch, () => 0, start);
  return {
    queries: window.map((mark, i) => mark / Math.min(window_size, batch.lengths[Math.floor(i / tokens)]!)),
    finish: (attention) => {
      const before = tf.mul(attention, tf.tensor(prefix, [rows, 1, 1, tokens]));
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
      const order = tf.broadcastTo(tf.add(tf.div(tf.range(0, tokens), tokens), 2), pooled.shape);
      const inWindow = tf.greater(tf.tensor(window, [rows, 1, tokens]), 0);
      return tf.where(inWindow, order, pooled) as tf.Tensor3D;
    },
  };
}
