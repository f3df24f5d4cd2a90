/** Attention drawn from each of the queries that could pay it. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { span, type TokenBatch } from '../models/batch.js';
import { questionOption, scoresByAttention, seenBatch, type AttentionScore } from './prefill.js';
import { defineScoring } from './scoring.js';
import { sinkOption } from './selection.js';

function meanAttention(batch: TokenBatch): AttentionScore {
  const { tokens, lengths } = batch;
  const seenBy = lengths.flatMap((length) =>
    Array.from({ length: tokens }, (_, t) => Math.max(1, length - t)),
  );
  return {
    queries: span(
      batch,
      () => 0,
      (length) => length,
    ),
    finish: (attention) =>
      tf.div(tf.mean(attention, 2), tf.tensor(seenBy, [batch.batch, 1, tokens])) as tf.Tensor3D,
  };
}

/**
 * kvpress's ObservedAttentionPress: attention summed over queries, divided by the number of queries that could see the
 * row, averaged over the query heads of a group; no sinks, no recent window. (H2O itself, and h2i here, do not divide.)
 */
export const observedAttention = defineScoring({
  name: 'observed-attention',
  summary: 'The rows that draw most attention from each query that sees them',
  reference: 'after H2O, arXiv 2306.14048; kvpress ObservedAttentionPress',
  needs: { attention: true },
  kvpress: { press: 'ObservedAttentionPress', options: () => ({}), scores: 'values' },
  options: z.strictObject({ n_sink: sinkOption.default(0), ...questionOption }),
  readsQuestion: ({ question }) => question === true,
  score: (request, options) => {
    const batch = seenBatch(request, options);
    return scoresByAttention(request, batch, options.n_sink, meanAttention(batch));
  },
});
