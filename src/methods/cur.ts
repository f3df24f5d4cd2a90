/** CurDKV: rows whose keys and values are large among their neighbours. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { scoresByRows } from './prefill.js';
import { realRows } from './rows.js';
import { defineScoring, type Rows } from './scoring.js';
import { requestBatch, sinkOption } from './selection.js';

const options = z.strictObject({
  n_sink: sinkOption,
  leverage_type: z
    .enum(['key', 'value', 'kv_avg', 'kv_product'])
    .default('kv_product')
    .describe('whose norms count: those of keys, of values, their mean or their product'),
  local_window_size: z
    .int()
    .min(1)
    .nullable()
    .default(16)
    .describe('squared norms are divided by their sum over windows of so many rows; null: over all rows'),
});
type Options = z.output<typeof options>;

/** Squared norms of real rows, each divided by the sum over its window: [batch, kvHeads, rows]. */
function localShares(x: tf.Tensor4D, real: tf.Tensor3D, window: number | null): tf.Tensor3D {
  const squares = tf.mul(tf.sum(tf.square(x), 3), real);
  if (window === null) return squares as tf.Tensor3D;
  const [batch, heads, rows] = squares.shape as [number, number, number];
  const count = Math.ceil(rows / window);
  const padded = tf.pad(squares, [
    [0, 0],
    [0, 0],
    [0, count * window - rows],
  ]);
  const windows = tf.reshape(padded, [batch, heads, count, window]);
  const shares = tf.div(windows, tf.maximum(tf.sum(windows, 3, true), 1e-30));
  return tf.slice(
    tf.reshape(shares, [batch, heads, count * window]),
    [0, 0, 0],
    [-1, -1, rows],
  ) as tf.Tensor3D;
}

function leverage(
  { keys, values, extents }: Rows,
  { leverage_type, local_window_size }: Options,
): tf.Tensor3D {
  const real = realRows(extents, keys.shape[2]);
  const ofKeys = localShares(keys, real, local_window_size);
  const ofValues = localShares(values, real, local_window_size);
  const scores = {
    key: () => ofKeys,
    value: () => ofValues,
    kv_avg: () => tf.div(tf.add(ofKeys, ofValues), 2),
    kv_product: () => tf.mul(ofKeys, ofValues),
  }[leverage_type]();
  return tf.div(scores, tf.sum(scores, 2, true));
}

/**
 * kvpress's CURPress without its random projection: squared norms stand for leverage scores, shares of their window of
 * 16 rows, keys times values; 4 sinks stay.
 */
export const cur = defineScoring({
  name: 'cur',
  summary: 'The rows whose keys and values are largest among their neighbours',
  reference: 'CurDKV, arXiv 2509.15038; kvpress CURPress',
  kvpress: {
    press: 'CURPress',
    options: ({ num_sinks, leverage_type, local_window_size, ...params }) =>
      params['use_random_leverage'] === true
        ? undefined
        : {
            n_sink: num_sinks,
            leverage_type,
            local_window_size: params['use_local_approximation'] === false ? null : local_window_size,
          },
    scores: 'values',
  },
  options,
  score: (request, given) =>
    scoresByRows(request, requestBatch(request), given.n_sink, (rows) => leverage(rows, given)),
  scoreRows: leverage,
});
