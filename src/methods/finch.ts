/** FINCH: the question looks for what it needs. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { span } from '../models/batch.js';
import { scoresByAttention, withQuestions } from './prefill.js';
import { defineScoring } from './scoring.js';
import { requestBatch, sinkOption } from './selection.js';

/**
 * kvpress's FinchPress: attention of the question's tokens, each weighed by the number of tokens before it, averaged over
 * them and over the query heads of a group; not pooled, no sinks. The question's own rows are not kept here, where it is
 * asked again behind the cache. kvpress rotates the kept keys to positions next to each other, which is
 * `{ name: key-rerotation, of: finch }` here, and can keep a share of each chunk, which is `chunk`.
 */
export const finch = defineScoring({
  name: 'finch',
  summary: "Attention of the question's tokens (question-aware)",
  reference: 'FINCH, TACL 2024, doi 10.1162/tacl_a_00716; kvpress FinchPress',
  needs: { question: true, attention: true },
  kvpress: {
    press: 'FinchPress',
    options: ({ normalize_scores, rerotate_keys, chunk_length }) =>
      rerotate_keys === true || typeof chunk_length === 'number' ? undefined : { normalize_scores },
    scores: 'values',
  },
  options: z.strictObject({
    n_sink: sinkOption.default(0),
    normalize_scores: z
      .boolean()
      .default(true)
      .describe('whether later tokens of the question count more, by the number of tokens before them'),
  }),
  score: (request, { n_sink, normalize_scores }) => {
    const batch = requestBatch(request, withQuestions(request));
    const lengths = request.contexts.map((context) => context.length);
    const asking = span(
      batch,
      (_, row) => lengths[row]!,
      (length) => length,
    );
    const queries = asking.map((mark, i) => {
      const row = Math.floor(i / batch.tokens);
      const before = normalize_scores ? i % batch.tokens : 1;
      return (mark * before) / (batch.lengths[row]! - lengths[row]!);
    });
    return scoresByAttention(request, batch, n_sink, {
      queries,
      finish: (attention) => tf.mean(attention, 2) as tf.Tensor3D,
    });
  },
});
