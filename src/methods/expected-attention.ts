/** Expected attention: what queries to come would pay each row, were they normal like those seen. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import type { Decoder } from '../models/decoder.js';
import type { Projections } from '../models/decoder-layer.js';
import { applyRotary, type RotaryTable } from '../models/ops.js';
import { behindSinks, futureOption, meanRotation } from './future-queries.js';
import { questionOption, seenBatch } from './prefill.js';
import { rowLengths } from './rows.js';
import { defineScoring } from './scoring.js';
import { sinkOption } from './selection.js';

const options = z.strictObject({
  n_sink: sinkOption,
  ...futureOption,
  use_covariance: z
    .boolean()
    .default(true)
    .describe("whether the queries' covariance counts, or their mean alone"),
  use_vnorm: z.boolean().default(true).describe("whether scores are multiplied by the values' norms"),
  epsilon: z.number().min(0).default(0).describe("added to scores before the values' norms"),
  ...questionOption,
});
type Options = z.output<typeof options>;

/**
 * Mean of the unrotated queries behind the sinks and their covariance (divided by n), both turned by the mean rotation:
 * [batch, heads, 1 + headDim, headDim], the mean first.
 */
function queryStatistics(
  { rawQueries }: Projections,
  counted: tf.Tensor4D,
  rotation: RotaryTable,
): tf.Tensor4D {
  const queries = tf.transpose(rawQueries, [0, 2, 1, 3]);
  const count = tf.maximum(tf.sum(counted, 2, true), 1);
  const mean = tf.div(tf.sum(tf.mul(queries, counted), 2, true), count);
  const centred = tf.mul(tf.sub(queries, mean), counted);
  const covariance = tf.div(tf.matMul(centred, centred, true, false), count);
  const turn = (x: tf.Tensor): tf.Tensor4D => applyRotary(x as tf.Tensor4D, rotation);
  const turned = turn(tf.transpose(turn(covariance), [0, 1, 3, 2]));
  return tf.concat([turn(mean), turned], 2) as tf.Tensor4D;
}

/** @param statistics of the layer's queries, as `queryStatistics` gives them */
function scores(
  model: Decoder,
  { keys, values }: { keys: tf.Tensor4D; values: tf.Tensor4D },
  statistics: tf.Tensor4D,
  counted: tf.Tensor4D,
  { use_covariance, use_vnorm, epsilon }: Options,
): tf.Tensor3D {
  const [batch, kvHeads, tokens, headDim] = keys.shape;
  const group = model.config.numHeads / kvHeads;
  const { attentionScale } = model.plan;
  const [mean, covariance] = tf.split(statistics, [1, headDim], 2) as [tf.Tensor, tf.Tensor];
  const means = tf.reshape(mean, [batch, kvHeads, group, headDim]);
  let logits = tf.mul(tf.matMul(means, keys, false, true), attentionScale);
  if (use_covariance) {
    const apart = tf.transpose(
      tf.reshape(covariance, [batch, kvHeads, group, headDim, headDim]),
      [0, 1, 3, 2, 4],
    );
    const columns = tf.matMul(keys, tf.reshape(apart, [batch, kvHeads, headDim, group * headDim]));
    const products = tf.mul(
      tf.reshape(columns, [batch, kvHeads, tokens, group, headDim]),
      tf.expandDims(keys, 3),
    );
    const quadratic = tf.transpose(tf.sum(products, 4), [0, 1, 3, 2]);
    logits = tf.add(logits, tf.mul(quadratic, attentionScale ** 2 / 2));
  }
  const excluded = tf.mul(tf.sub(tf.reshape(counted, [batch, 1, 1, tokens]), 1), 1e9);
  const expected = tf.mean(tf.softmax(tf.add(logits, excluded)), 2);
  if (!use_vnorm) return expected as tf.Tensor3D;
  return tf.mul(tf.add(expected, epsilon), rowLengths(values)) as tf.Tensor3D;
}

/**
 * kvpress's ExpectedAttentionPress: softmax over the rows behind the sinks of μ·k/√d + kᵀΣk/2d, averaged over the query
 * heads of a group, times ‖v‖; sinks (4 unless given) stay, and neither they nor their queries count. Queries are
 * taken before rotary embedding, after a norm of their own; √d is the model's own scale. Padding counts nowhere.
 */
export const expectedAttention = defineScoring({
  name: 'expected-attention',
  summary: 'The rows to which later queries, normal like those seen, would attend',
  reference: 'arXiv 2510.00636; kvpress ExpectedAttentionPress',
  kvpress: {
    press: 'ExpectedAttentionPress',
    options: ({ n_sink, n_future_positions, use_covariance, use_vnorm, epsilon }) => ({
      n_sink,
      n_future_positions,
      use_covariance,
      use_vnorm,
      epsilon,
    }),
    scores: 'values',
  },
  options,
  readsQuestion: ({ question }) => question === true,
  score: (request, given) => {
    const { model } = request;
    const batch = seenBatch(request, given);
    const counted = behindSinks(batch, given.n_sink);
    const rotation = meanRotation(model, batch, given.n_future_positions);
    const { cache, projected } = model.forward(batch, {
      cacheOnly: true,
      observeProjections: (_layer, projections) => queryStatistics(projections, counted, rotation),
    });
    const ranked = projected.map((statistics, layer) =>
      tf.tidy(() =>
        scores(
          model,
          { keys: cache.keys[layer]!, values: cache.values[layer]! },
          statistics as tf.Tensor4D,
          counted,
          given,
        ),
      ),
    );
    return { cache, scores: ranked, sinks: given.n_sink };
  },
});
