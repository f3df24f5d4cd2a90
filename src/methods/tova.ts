/** TOVA: the rows to which the last token attends. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { span, type TokenBatch } from '../models/batch.js';
import { questionOption, scoresByAttention, seenBatch, type AttentionScore } from './prefill.js';
import { defineScoring } from './scoring.js';
import { sinkOption } from './selection.js';

function lastAttention(batch: TokenBatch): AttentionScore {
  const last = span(
    batch,
    (length) => length - 1,
    (length) => length,
  );
  return {
    queries: last,
    finish: (attention) => {
      const mean = tf.expandDims(tf.mean(attention, [1, 2]), 1) as tf.Tensor3D;
      const isLast = tf.greater(tf.tensor(last, mean.shape), 0);
      // Above any attention weight.
      return tf.where(isLast, tf.fill(mean.shape, 2), mean) as tf.Tensor3D;
    },
  };
}

/** kvpress's TOVAPress: the mean over all query heads, so that all KV heads keep the same; the last row stays. */
export const tova = defineScoring({
  name: 'tova',
  summary: 'The rows to which the last token attends',
  reference: 'TOVA, arXiv 2401.06104; kvpress TOVAPress',
  needs: { attention: true },
  kvpress: { press: 'TOVAPress', options: () => ({}), scores: 'values' },
  options: z.strictObject({ n_sink: sinkOption.default(0), ...questionOption }),
  readsQuestion: ({ question }) => question === true,
  score: (request, options) => {
    const batch = seenBatch(request, options);
    return scoresByAttention(request, batch, options.n_sink, lastAttention(batch));
  },
});
