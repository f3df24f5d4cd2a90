/** Log-likelihoods of a multiple-choice question's choices, each taken as the answer. */
import * as tf from '@tensorflow/tfjs-core';
import { makeBatch } from '../models/batch.js';
import { appendCache, selectSequences, type KvCache } from '../models/cache.js';
import type { Decoder } from '../models/decoder.js';

export interface ChoiceQuestion {
  /** Token ids up to where the answer begins. */
  question: readonly number[];
  /** Token ids of each choice's text, none empty. */
  choices: readonly (readonly number[])[];
}

/** Log-probabilities of `ids[i]` in row `i` of `logits` [rows, vocabulary]. */
function logProbabilities(logits: tf.Tensor2D, ids: readonly number[]): Float32Array {
  const logP = tf.logSoftmax(logits);
  const places = ids.map((id, row) => row * logP.shape[1]! + id);
  return tf.gather(tf.reshape(logP, [-1]), tf.tensor1d(places, 'int32')).dataSync() as Float32Array;
}

/**
 * Summed log-likelihood, nats, of every choice's tokens behind its question, given what `cache` holds. The question
 * runs once; the choices go on behind it, `chunk` of them in one pass.
 * @param cache one sequence a question; stays as it is
 */
export function choiceLikelihoods(
  model: Decoder,
  cache: KvCache,
  questions: readonly ChoiceQuestion[],
  chunk: number,
): number[][] {
  const sums = questions.map(({ choices }) => choices.map(() => 0));
  tf.tidy(() => {
    const asked = makeBatch(
      questions.map(({ question }) => question),
      { starts: cache.nextPositions },
    );
    const result = model.forward(asked, { past: cache });
    const places = questions.flatMap(({ choices }, row) =>
      choices.map((ids, choice) => ({ row, choice, ids })),
    );
    const ends = places.map(({ row }) => row * asked.tokens + asked.lengths[row]! - 1);
    const first = logProbabilities(
      model.logits(tf.gather(result.hidden, tf.tensor1d(ends, 'int32'))),
      places.map(({ ids }) => ids[0]!),
    );
    places.forEach(({ row, choice }, i) => (sums[row]![choice]! += first[i]!));

    const longer = places.filter(({ ids }) => ids.length > 1);
    if (longer.length === 0) return;
    const past = appendCache(cache, result.cache);
    for (let at = 0; at < longer.length; at += chunk) {
      const some = longer.slice(at, at + chunk);
      tf.tidy(() => {
        const own = selectSequences(
          past,
          some.map(({ row }) => row),
        );
        const batch = makeBatch(
          some.map(({ ids }) => ids.slice(0, -1)),
          { starts: own.nextPositions },
        );
        const rows = some.flatMap(({ ids }, i) => ids.slice(1).map((_, t) => i * batch.tokens + t));
        const { hidden } = model.forward(batch, { past: own });
        const values = logProbabilities(
          model.logits(tf.gather(hidden, tf.tensor1d(rows, 'int32'))),
          some.flatMap(({ ids }) => ids.slice(1)),
        );
        let value = 0;
        for (const { row, choice, ids } of some) {
          for (let t = 1; t < ids.length; t++) sums[row]![choice]! += values[value++]!;
        }
      });
    }
  });
  return sums;
}
