/** A context read once more behind its own cache: what kvzip and kvcompose share. */
import * as tf from '@tensorflow/tfjs-core';
import { makeBatch, span } from '../models/batch.js';
import type { KvCache } from '../models/cache.js';
import type { Decoder } from '../models/decoder.js';

/** What is read again. */
export interface Reading {
  /** Token ids of each sequence; empty for those that have come to their end. */
  chunks: readonly (readonly number[])[];
  /** Put before each of them. */
  prompt: readonly number[];
}

/**
 * The most that any query of a second reading makes of its attention: `weigh` is shown the weights [batch, kvHeads, group,
 * queries, rows of `past` and those of the reading] and returns [batch, kvHeads, group, queries, rows of `past`].
 * @returns per layer [batch, kvHeads, group, rows of `past`]
 */
export function secondReading(
  model: Decoder,
  past: KvCache,
  { chunks, prompt }: Reading,
  weigh: (weights: tf.Tensor5D) => tf.Tensor,
): tf.Tensor4D[] {
  // A sequence at its end goes along with one token, of which nothing counts.
  const sequences = chunks.map((chunk) => (chunk.length > 0 ? [...prompt, ...chunk] : [0]));
  const batch = makeBatch(sequences, { starts: past.nextPositions });
  const real = span(
    batch,
    () => 0,
    (length, row) => (chunks[row]!.length > 0 ? length : 0),
  );
  const queries = tf.tensor(real, [batch.batch, 1, 1, batch.tokens, 1]);
  const { observed } = model.forward(batch, {
    past,
    cacheOnly: true,
    observeAttention: (_layer, weights, first) => {
      const some = tf.slice(queries, [0, 0, 0, first, 0], [-1, -1, -1, weights.shape[3], -1]);
      return tf.max(tf.mul(weigh(weights), some), 3);
    },
    mergeObserved: (parts) => parts.reduce((a, b) => tf.maximum(a, b)),
  });
  return observed as tf.Tensor4D[];
}
