/** Scores from one plain prefill: by positions and ids, by keys and values, by attention or by queries. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import type { TokenBatch } from '../models/batch.js';
import type { KvCache } from '../models/cache.js';
import type { Decoder } from '../models/decoder.js';
import type { ScoringRequest } from './method.js';
import type { Rows, Scored } from './scoring.js';
import { requestBatch } from './selection.js';

/** The option of methods for which the question makes a difference. */
export const questionOption = {
  question: z
    .boolean()
    .optional()
    .describe('let the question be seen while compressing (question-aware); not unless given'),
};

/** Each context followed by its question: what question-aware methods let attend. */
export function withQuestions(request: ScoringRequest): number[][] {
  return request.contexts.map((context, row) => [...context, ...(request.questions?.[row] ?? [])]);
}

/** What is prefilled: the contexts alone, or with their questions. */
export function seenBatch(request: ScoringRequest, options: { question?: boolean | undefined }): TokenBatch {
  return requestBatch(request, options.question === true ? withQuestions(request) : request.contexts);
}

/** Scores of rows that need nothing but token ids and their order. */
export function scoresByIds(
  request: ScoringRequest,
  sinks: number,
  scoreOf: (ids: readonly number[]) => ArrayLike<number>,
): Scored {
  const batch = requestBatch(request);
  const flat = new Float32Array(batch.batch * batch.tokens);
  request.contexts.forEach((ids, row) => flat.set(Array.from(scoreOf(ids)), row * batch.tokens));
  const shared = tf.tensor3d(flat, [batch.batch, 1, batch.tokens]);
  const { cache } = request.model.forward(batch, { cacheOnly: true });
  return { cache, scores: cache.keys.map(() => shared), sinks };
}

/** Scores of the rows of each layer by their keys and values. */
export function scoresByRows(
  request: ScoringRequest,
  batch: TokenBatch,
  sinks: number,
  scoreOf: (rows: Rows) => tf.Tensor3D,
): Scored {
  const { cache } = request.model.forward(batch, { cacheOnly: true });
  const scores = cache.keys.map((keys, layer) =>
    tf.tidy(() => scoreOf({ keys, values: cache.values[layer]!, extents: batch })),
  );
  return { cache, scores, sinks };
}

/** What attention says of rows: which queries count, and what becomes of the attention that they pay. */
export interface AttentionScore {
  /** Weight of each query token, [batch, tokens]. */
  queries: Float32Array;
  /** Attention summed over the weighted queries, [batch, kvHeads, group, keys], to scores [batch, kvHeads or 1, keys]. */
  finish: (attention: tf.Tensor4D) => tf.Tensor3D;
}

/** The tokens from the first to the last that counts in any sequence. */
function counted(queries: Float32Array, tokens: number): { first: number; count: number } {
  let first = tokens;
  let last = 0;
  queries.forEach((weight, i) => {
    if (weight === 0) return;
    first = Math.min(first, i % tokens);
    last = Math.max(last, i % tokens);
  });
  return { first, count: last + 1 - first };
}

/** Prefill of `batch`: its cache, and the scores of its rows per layer, [batch, kvHeads or 1, tokens]. */
export function prefillWithScores(
  model: Decoder,
  batch: TokenBatch,
  { queries, finish }: AttentionScore,
): { cache: KvCache; scores: tf.Tensor3D[] } {
  const importance = tf.tensor(queries, [batch.batch, 1, 1, batch.tokens, 1]);
  const observedTokens = counted(queries, batch.tokens);
  const { cache, observed } = model.forward(batch, {
    cacheOnly: true,
    ...(observedTokens.count < batch.tokens && { observedTokens }),
    observeAttention: (_layer, weights, first) => {
      const some = tf.slice(importance, [0, 0, 0, first, 0], [-1, -1, -1, weights.shape[3], -1]);
      return tf.sum(tf.mul(weights, some), 3);
    },
  });
  return { cache, scores: observed.map((attention) => finish(attention as tf.Tensor4D)) };
}

/** Scores of the rows of each layer by the attention that a prefill of `batch` pays them. */
export function scoresByAttention(
  request: ScoringRequest,
  batch: TokenBatch,
  sinks: number,
  score: AttentionScore,
): Scored {
  return { ...prefillWithScores(request.model, batch, score), sinks };
}
