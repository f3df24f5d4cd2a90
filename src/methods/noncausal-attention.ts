/** Attention within chunks of a context, from before and after. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { chunkedAttention, chunkOption } from './chunked-attention.js';
import { standardised } from './leverage-scores.js';
import { bySequence } from './rows.js';
import { defineScoring } from './scoring.js';
import { requestBatch, sinkOption } from './selection.js';

/**
 * kvpress's NonCausalAttnPress: attention without scale that a row draws from all queries of its chunk of 256, the mean
 * over the query heads of a group, times ‖v‖, averaged with its two neighbours, standardised over heads and rows; no
 * sinks. A last chunk of fewer rows attends to itself alone; kvpress lets the zeros that fill it up take part, since its
 * mask adds −1e-9.
 */
export const noncausalAttention = defineScoring({
  name: 'noncausal-attention',
  summary: 'The rows that draw attention from before and after, within chunks',
  reference: 'Compactor, arXiv 2507.08143; kvpress NonCausalAttnPress',
  kvpress: {
    press: 'NonCausalAttnPress',
    options: ({ chunk_size }) => ({ chunk_size }),
    scores: 'values',
  },
  options: z.strictObject({ n_sink: sinkOption.default(0), ...chunkOption }),
  score: (request, { n_sink, chunk_size }) => {
    const batch = requestBatch(request);
    const { cache, projected } = request.model.forward(batch, {
      cacheOnly: true,
      observeProjections: (_layer, { queries }) => tf.clone(queries),
    });
    const scores = projected.map((queries, layer) =>
      tf.tidy(() =>
        bySequence(batch.lengths, batch.tokens, (sequence, length) => {
          const own = (x: tf.Tensor): tf.Tensor4D =>
            tf.slice(x as tf.Tensor4D, [sequence, 0, 0, 0], [1, -1, length, -1]);
          const { keys, values } = cache;
          return standardised(
            chunkedAttention(own(queries), own(keys[layer]!), own(values[layer]!), chunk_size),
          );
        }),
      ),
    );
    return { cache, scores, sinks: n_sink };
  },
});
