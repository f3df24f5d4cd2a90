/** LagKV: rows that stand out against the range of the rows that come after. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { scoresByRows } from './prefill.js';
import { bySequence } from './rows.js';
import { defineScoring, type Rows } from './scoring.js';
import { requestBatch, sinkCounts, sinkOption } from './selection.js';

const options = z.strictObject({
  n_sink: sinkOption,
  lag_size: z.int().min(2).default(128).describe('rows of a partition; the next one is its reference'),
  cross_scoring: z
    .boolean()
    .default(false)
    .describe('compare rows of all partitions by their scores, instead of by their rank within a partition'),
});
type Options = z.output<typeof options>;

/** Softmax over each partition's rows of how unevenly their channels stand in the next one's range. */
function partitionScores(x: tf.Tensor4D): tf.Tensor3D {
  const count = x.shape[1] - 1;
  const before = tf.slice(x, [0, 0, 0, 0], [-1, count, -1, -1]);
  const after = tf.slice(x, [0, 1, 0, 0], [-1, count, -1, -1]);
  const low = tf.min(after, 2, true);
  const range = tf.sub(tf.max(after, 2, true), low);
  const placed = tf.div(tf.sub(before, low), range);
  const centred = tf.sub(placed, tf.mean(placed, 3, true));
  const channels = x.shape[3];
  const deviation = tf.sqrt(tf.div(tf.sum(tf.square(centred), 3), channels - 1));
  return tf.softmax(deviation) as tf.Tensor3D;
}

/** Rank of each value in its row, from 0 for the least, divided by the row's width. */
function ranks(scores: tf.Tensor3D): tf.Tensor3D {
  const width = scores.shape[2];
  const values = scores.dataSync();
  const ranked = new Float32Array(values.length);
  for (let at = 0; at < values.length; at += width) {
    const order = Array.from({ length: width }, (_, i) => i).sort(
      (a, b) => values[at + a]! - values[at + b]!,
    );
    order.forEach((place, rank) => (ranked[at + place] = rank / width));
  }
  return tf.tensor3d(ranked, scores.shape);
}

function scoreSequence(keys: tf.Tensor4D, values: tf.Tensor4D, sinks: number, given: Options): tf.Tensor3D {
  const [, heads, length, headDim] = keys.shape;
  const { lag_size, cross_scoring } = given;
  const partitions = Math.floor((length - sinks) / lag_size);
  if (partitions < 2) {
    const recency = tf.div(tf.range(0, length), length);
    return tf.broadcastTo(tf.reshape(recency, [1, 1, length]), [1, heads, length]);
  }
  const apart = (x: tf.Tensor4D): tf.Tensor4D =>
    tf.reshape(tf.slice(x, [0, 0, sinks, 0], [-1, -1, partitions * lag_size, -1]), [
      heads,
      partitions,
      lag_size,
      headDim,
    ]);
  const raw = tf.div(tf.add(partitionScores(apart(keys)), partitionScores(apart(values))), 2) as tf.Tensor3D;
  const scored = tf.reshape(cross_scoring ? raw : ranks(raw), [1, heads, (partitions - 1) * lag_size]);
  const tail = length - sinks - (partitions - 1) * lag_size;
  // The last partition has no reference and stays, the latest rows foremost; no score is above 1.
  const last = tf.add(tf.div(tf.range(0, tail), tail), 1);
  return tf.concat(
    [tf.ones([1, heads, sinks]), scored, tf.broadcastTo(tf.reshape(last, [1, 1, tail]), [1, heads, tail])],
    2,
  ) as tf.Tensor3D;
}

function lagScores({ keys, values, extents }: Rows, given: Options): tf.Tensor3D {
  const sinks = sinkCounts(extents, given.n_sink);
  return bySequence(extents.lengths, keys.shape[2], (sequence, length) => {
    const own = (x: tf.Tensor4D): tf.Tensor4D => tf.slice(x, [sequence, 0, 0, 0], [1, -1, length, -1]);
    return scoreSequence(own(keys), own(values), sinks[sequence]!, given);
  });
}

/**
 * kvpress's LagKVPress: partitions of 128 rows behind 4 sinks; a row's score is the deviation over channels of its place
 * in the range of the next partition, of keys and of values, by rank within its partition. The last partition and what
 * follows stay, as do the latest rows where there are fewer than two partitions. (kvpress leaves the order of rows that
 * stay open; here the latest are foremost.)
 */
export const lagkv = defineScoring({
  name: 'lagkv',
  summary: 'The rows that stand out against those which come after',
  reference: 'LagKV, arXiv 2504.04704; kvpress LagKVPress',
  kvpress: {
    press: 'LagKVPress',
    options: ({ n_sink, lag_size, cross_scoring }) => ({ n_sink, lag_size, cross_scoring }),
    scores: 'values',
  },
  options,
  score: (request, given) =>
    scoresByRows(request, requestBatch(request), given.n_sink, (rows) => lagScores(rows, given)),
  scoreRows: lagScores,
});
