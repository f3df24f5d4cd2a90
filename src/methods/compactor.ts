/** Compactor: leverage of keys, and attention within chunks that looks both ways. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { chunkedAttention, chunkOption } from './chunked-attention.js';
import { leverageScores, sketchOption, standardised, unsketched } from './leverage-scores.js';
import { bySequence } from './rows.js';
import { defineScoring, evenRanking } from './scoring.js';
import { requestBatch, sinkCounts } from './selection.js';

const options = z.strictObject({
  n_sink: z.int().min(0).default(8).describe('first tokens of the context, which stay'),
  n_last: z.int().min(0).default(4).describe('last tokens of the context, which stay'),
  ...chunkOption,
  blending: z
    .number()
    .min(0)
    .nullable()
    .default(null)
    .describe('weight of the leverage beside the attention; null: the share of rows that go'),
  ...sketchOption,
});

/**
 * kvpress's CompactorPress: the sum of standardised chunked attention and, times the share of rows that go, standardised
 * leverage of the rows between 8 sinks and the last 4, which stay. Keys no wider than the sketch are taken as they are
 * (see `leverage`). A last chunk of fewer rows attends to itself alone; kvpress lets the zeros that fill it up take part,
 * since its mask adds −1e-9.
 */
export const compactor = defineScoring({
  name: 'compactor',
  summary: 'The rows of high leverage that draw attention from before and after',
  reference: 'Compactor, arXiv 2507.08143; kvpress CompactorPress',
  kvpress: {
    press: 'CompactorPress',
    options: ({ sink_size_start, sink_size_end, chunk_size, blending, ...params }) =>
      unsketched(params) && { n_sink: sink_size_start, n_last: sink_size_end, chunk_size, blending },
    scores: 'values',
  },
  options,
  rank: (request, given) => {
    const batch = requestBatch(request);
    const sinks = sinkCounts(batch, given.n_sink);
    const { cache, projected } = request.model.forward(batch, {
      cacheOnly: true,
      observeProjections: (_layer, { rawKeys, queries }) =>
        tf.concat([tf.transpose(rawKeys, [0, 2, 1, 3]), queries], 1),
    });
    const scores = projected.map((both, layer) =>
      tf.tidy(() =>
        bySequence(batch.lengths, batch.tokens, (sequence, length) => {
          const first = sinks[sequence]!;
          const last = Math.min(given.n_last, length - first);
          const count = length - first - last;
          const heads = cache.keys[layer]!.shape[1];
          if (count === 0) return tf.ones([1, heads, length]);
          const own = (x: tf.Tensor4D, from = 0, some = -1): tf.Tensor4D =>
            tf.slice(x, [sequence, from, first, 0], [1, some, count, -1]);
          const share = 1 - request.kept[sequence]! / length;
          const leverage = leverageScores(own(both as tf.Tensor4D, 0, heads), given.sketch_dimension);
          const attention = chunkedAttention(
            own(both as tf.Tensor4D, heads),
            own(cache.keys[layer]!),
            own(cache.values[layer]!),
            given.chunk_size,
          );
          const blended = tf.add(
            tf.mul(standardised(leverage), given.blending ?? share),
            standardised(attention),
          );
          const sides = (rows: number): tf.Tensor =>
            tf.broadcastTo(tf.add(tf.max(blended), 1), [1, heads, rows]);
          return tf.concat([sides(first), blended, sides(last)], 2) as tf.Tensor3D;
        }),
      ),
    );
    return evenRanking(request, { cache, scores, sinks: given.n_sink });
  },
});
