/** CriticalKV: scores weighed by what a row's value does to the output. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import type { Decoder } from '../models/decoder.js';
import type { CompressionRequest } from './method.js';
import { bestFirst, scoreArrays } from './arrays.js';
import type { Ranking } from './scoring.js';
import { scorings } from './scorings.js';
import { defineWrapper, ofOption, type Scores } from './wrapper.js';

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

function rank(
  request: CompressionRequest,
  { method, options }: Scores,
  { epsilon, first_stage_ratio }: { epsilon: number; first_stage_ratio: number },
): Ranking {
  const ranking = method.rank(request, options);
  const arrays = scoreArrays(ranking);
  const scores = ranking.scores.map((before, layer) => {
    const [batch, heads, tokens] = before.shape;
    const first = new Float32Array(batch * heads * tokens);
    arrays[layer]!.forEach((lists, sequence) =>
      lists.forEach((list, head) => {
        const sure = Math.floor(request.kept[sequence]! * first_stage_ratio);
        for (const row of bestFirst(list).slice(0, sure)) first[(sequence * heads + head) * tokens + row] = 1;
      }),
    );
    return tf.tidy(() => {
      const norms = projectedNorms(request.model, layer, ranking.cache.values[layer]!);
      const weighed = tf.mul(tf.add(before, epsilon), norms);
      const sure = tf.broadcastTo(tf.tensor3d(first, [batch, heads, tokens]), norms.shape);
      // Above any weighed score, below a sink.
      return tf.where(tf.greater(sure, 0), tf.fill(norms.shape, 1e29), weighed) as tf.Tensor3D;
    });
  });
  return { ...ranking, scores };
}

/**
 * kvpress's CriticalKVPress: half of the rows by another method's scores, the others by (score + ε)·‖v Wᴼ‖₁, averaged
 * over the query heads of a group. Within `adakv` it is what kvpress calls CriticalAdaKV, but for the first stage, which
 * there follows each head's own budget.
 */
export const criticalkv = defineWrapper(scorings, {
  name: 'criticalkv',
  summary: "Another method's scores weighed by what values do to the output",
  reference: 'CriticalKV, arXiv 2502.03805; kvpress CriticalKVPress',
  options: z.strictObject({
    of: ofOption(scorings, 'snapkv'),
    epsilon: z.number().min(0).default(1e-4).describe('added to scores before they are weighed'),
    first_stage_ratio: z
      .number()
      .min(0)
      .max(1)
      .default(0.5)
      .describe('share of the kept rows that unweighed scores choose'),
  }),
  rank,
});
