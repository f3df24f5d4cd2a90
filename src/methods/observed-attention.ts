/** Selection by attention that a plain prefill shows: what all methods that observe it share. */
import * as tf from '@tensorflow/tfjs-core';
import type { TokenBatch } from '../models/batch.js';
import type { KvCache } from '../models/cache.js';
import type { Decoder } from '../models/decoder.js';
import type { CompressionRequest } from './method.js';
import { keepTopRows, requestBatch } from './selection.js';

/** What attention says of rows: which queries count, and what becomes of the attention that they pay. */
export interface AttentionScore {
  /** Weight of each query token, [batch, tokens]. */
  queries: Float32Array;
  /** Attention summed over the weighted queries, [batch, kvHeads, group, keys], to scores [batch, kvHeads, keys]. */
  finish: (attention: tf.Tensor4D) => tf.Tensor3D;
}

/** Prefill of `batch`: its cache, and the scores of its rows per layer, [batch, kvHeads, tokens]. */
export function prefillWithScores(
  model: Decoder,
  batch: TokenBatch,
  { queries, finish }: AttentionScore,
): { cache: KvCache; scores: tf.Tensor3D[] } {
  const importance = tf.tensor(queries, [batch.batch, 1, 1, batch.tokens, 1]);
  const { cache, observed } = model.forward(batch, {
    observeAttention: (_layer, weights, first) => {
      const some = tf.slice(importance, [0, 0, 0, first, 0], [-1, -1, -1, weights.shape[3], -1]);
      return tf.sum(tf.mul(weights, some), 3);
    },
  });
  return { cache, scores: observed.map((attention) => finish(attention as tf.Tensor4D)) };
}

/**
 * Prefill that observes attention, then the best rows of each layer and head.
 * @param sequences token ids that attend, each starting with its context: the context alone, or with its question
 */
export function compressByAttention(
  request: CompressionRequest,
  sequences: readonly (readonly number[])[],
  sinks: number,
  scoreOf: (batch: TokenBatch) => AttentionScore,
): KvCache {
  return tf.tidy(() => {
    const batch = requestBatch(request, sequences);
    const { cache, scores } = prefillWithScores(request.model, batch, scoreOf(batch));
    const lengths = request.contexts.map((context) => context.length);
    const compressed = keepTopRows(cache, scores, { starts: batch.starts, lengths }, request.kept, sinks);
    return { ...compressed, nextPositions: lengths.map((length, row) => batch.starts[row]! + length) };
  });
}

/** Each context followed by its question: what question-aware methods let attend. */
export function withQuestions(request: CompressionRequest): number[][] {
  return request.contexts.map((context, row) => [...context, ...(request.questions?.[row] ?? [])]);
}
