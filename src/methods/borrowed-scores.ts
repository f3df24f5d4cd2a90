/** Scores of another method, as a trained method's selection takes them: "kvd with X's scores". */
import * as tf from '@tensorflow/tfjs-core';
import { named, type Named } from '../base/named.js';
import type { TokenBatch } from '../models/batch.js';
import type { Decoder } from '../models/decoder.js';
import { bestFirst, scoreArrays } from './arrays.js';
import { rankTidily, disposeRanking } from './scoring.js';
import { scorings } from './scorings.js';

/** The option that names the method; one that looks at the question has nothing to look at. */
export const scoresOption = named(scorings)
  .optional()
  .refine(
    (given) => given === undefined || !scorings.get(given.name).readsQuestion(optionsOf(given)),
    'must not look at the question',
  )
  .describe("select rows by another method's scores, by name or with options, instead of the scorer's");

function optionsOf({ name: _name, ...options }: Named): Record<string, unknown> {
  return options;
}

/** Place of each row among its list's, from 1 for the best down towards 0. */
function places(scores: Float32Array): Float32Array {
  const found = new Float32Array(scores.length);
  bestFirst(scores).forEach((row, place) => (found[row] = 1 - place / scores.length));
  return found;
}

/**
 * Places of a batch's tokens by the scores that `given` gives them in a prefill of the frozen model, not differentiable.
 * Scores of different layers and heads are on no common scale, so that it is their places that are averaged.
 * @returns [batch, 1, tokens], the mean over layers and heads, or `perHead` [batch, layers·kvHeads, tokens]
 */
export function borrowedScores(
  model: Decoder,
  batch: TokenBatch,
  kept: readonly number[],
  given: Named,
  perHead: boolean,
): tf.Tensor3D {
  const { tokens, lengths, starts } = batch;
  const contexts = lengths.map((length, row) => [...batch.ids.subarray(row * tokens, row * tokens + length)]);
  const ranking = rankTidily(scorings.get(given.name), { model, contexts, starts, kept }, optionsOf(given));
  const { numLayers, numKvHeads } = model.config;
  const lists = numLayers * numKvHeads;
  const heads = perHead ? lists : 1;
  const flat = new Float32Array(contexts.length * heads * tokens);
  scoreArrays(ranking).forEach((sequences, layer) =>
    sequences.forEach((own, sequence) => {
      const ranked = own.map(places);
      for (let head = 0; head < numKvHeads; head++) {
        const list = perHead ? layer * numKvHeads + head : 0;
        const at = (sequence * heads + list) * tokens;
        (ranked[head] ?? ranked[0]!).forEach(
          (place, t) => (flat[at + t]! += perHead ? place : place / lists),
        );
      }
    }),
  );
  disposeRanking(ranking);
  return tf.tensor3d(flat, [contexts.length, heads, tokens]);
}
