/** Scores weighed by what a row's value does to the output: what criticalkv and criticaladakv share. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import type { Decoder } from '../models/decoder.js';
import { bestFirst, scoreArrays } from './arrays.js';
import type { Ranking } from './scoring.js';

export const criticalOptions = {
  epsilon: z.number().min(0).default(1e-4).describe('added to scores before they are weighed'),
  first_stage_ratio: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe('share of the kept rows that unweighed scores choose'),
};

/** ‖v Wᴼ‖₁ of each row, the mean over the query heads of a group: [batch, kvHeads, rows]. */
function projectedNorms(model: Decoder, layer: number, values: tf.Tensor4D): tf.Tensor3D {
  const [batch, kvHeads, rows, headDim] = values.shape;
  const group = model.config.numHeads / kvHeads;
  const { attentionOut } = model.weights.layers[layer]!;
  const byHead = tf.split(values, kvHeads, 1).map((own, kvHead) => {
    const flat = tf.reshape(own, [batch * rows, headDim]) as tf.Tensor2D;
    const norms = Array.from({ length: group }, (_, i) => {
      const matrix = tf.slice(attentionOut, [(kvHead * group + i) * headDim, 0], [headDim, -1]);
      return tf.sum(tf.abs(tf.matMul(flat, matrix)), 1);
    });
    return tf.reshape(tf.div(tf.addN(norms), group), [batch, 1, rows]);
  });
  return tf.concat(byHead, 1) as tf.Tensor3D;
}

/**
 * (score + ε)·‖v Wᴼ‖₁, the mean over the query heads of a group; the first rows by the scores alone come before all others.
 * @param sureOf how many those are, of a layer, sequence and head
 */
export function weighedScores(
  model: Decoder,
  ranking: Ranking,
  epsilon: number,
  sureOf: (layer: number, sequence: number, head: number) => number,
): tf.Tensor3D[] {
  const arrays = scoreArrays(ranking);
  return ranking.scores.map((before, layer) => {
    const [batch, , tokens] = before.shape;
    const heads = ranking.cache.keys[layer]!.shape[1];
    const first = new Float32Array(batch * heads * tokens);
    arrays[layer]!.forEach((lists, sequence) => {
      const orders = lists.map(bestFirst);
      for (let head = 0; head < heads; head++) {
        const order = orders[head] ?? orders[0]!;
        for (const row of order.slice(0, sureOf(layer, sequence, head))) {
          first[(sequence * heads + head) * tokens + row] = 1;
        }
      }
    });
    return tf.tidy(() => {
      const norms = projectedNorms(model, layer, ranking.cache.values[layer]!);
      const weighed = tf.mul(tf.add(before, epsilon), norms);
      const sure = tf.greater(tf.tensor3d(first, [batch, heads, tokens]), 0);
      // Above any weighed score, below a sink.
      return tf.where(sure, tf.fill(norms.shape, 1e29), weighed) as tf.Tensor3D;
    });
  });
}
