/** Heavy hitters: rows ranked by the attention they have drawn. What h2i and h2a share. */
import * as tf from '@tensorflow/tfjs-core';
import { span, type TokenBatch } from '../models/batch.js';
import type { AttentionScore } from './prefill.js';

/** Attention that each key drew from all real queries, summed over the query heads of its group. */
export function accumulatedAttention(batch: TokenBatch): AttentionScore {
  return {
    queries: span(
      batch,
      () => 0,
      (length) => length,
    ),
    finish: (attention) => tf.sum(attention, 2),
  };
}
