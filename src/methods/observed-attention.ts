/** Selection by attention that a plain prefill shows: what all methods that observe it share. */
import * as tf from '@tensorflow/tfjs-core';
import type { TokenBatch } from '../models/batch.js';
import type { KvCache } from '../models/cache.js';
import type { CompressionRequest } from './method.js';
import { keepTopRows, requestBatch } from './selection.js';

/**
 * Prefill that observes attention, then the best rows of each layer and head.
 * @param queries token ids that attend, each starting with its context: the context alone, or with its question
 * @param score attention weights [batch, kvHeads, group, tokens, keys] to scores [batch, kvHeads, keys]
 */
export function compressByAttention(
  request: CompressionRequest,
  queries: readonly number[][],
  sinks: number,
  score: (weights: tf.Tensor5D, batch: TokenBatch) => tf.Tensor3D,
): KvCache {
  return tf.tidy(() => {
    const batch = requestBatch(request, queries);
    const { cache, observed } = request.model.forward(batch, {
      observeAttention: (_layer, weights) => score(weights, batch),
    });
    const lengths = request.contexts.map((context) => context.length);
    const compressed = keepTopRows(cache, observed as tf.Tensor3D[], lengths, request.kept, sinks);
    return { ...compressed, nextPositions: lengths.map((length, row) => batch.starts[row]! + length) };
  });
}

/** Each context followed by its question: what question-aware methods let attend. */
export function withQuestions(request: CompressionRequest): number[][] {
  return request.contexts.map((context, row) => [...context, ...(request.questions?.[row] ?? [])]);
}
