/** CAPKV: rows whose values add most to what the values of relevant rows span. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { applyRotary } from '../models/ops.js';
import { inverse } from './cholesky.js';
import { behindSinks, futureOption, meanRotation } from './future-queries.js';
import { unitRows } from './rows.js';
import { defineScoring } from './scoring.js';
import { requestBatch, sinkOption } from './selection.js';

const options = z.strictObject({
  n_sink: sinkOption,
  ...futureOption,
  tau: z.number().min(0).default(5).describe('how sharply relevance follows the likeness of key and query'),
  epsilon: z.number().min(0).default(1e-6).describe('added to relevance within the capacity'),
});

const LEAST = 1e-12;

/** exp(τ·(likeness − the greatest of a head)) of keys to the mean query, 0 where nothing counts: [batch, heads, tokens]. */
function relevance(anchors: tf.Tensor4D, keys: tf.Tensor4D, counted: tf.Tensor4D, tau: number): tf.Tensor3D {
  const [batch, kvHeads, tokens, headDim] = keys.shape;
  const heads = anchors.shape[1];
  const grouped = tf.reshape(unitRows(anchors, LEAST), [batch, kvHeads, heads / kvHeads, headDim]);
  const likeness = tf.reshape(tf.matMul(grouped, unitRows(keys, LEAST), false, true), [batch, heads, tokens]);
  const real = tf.reshape(counted, [batch, 1, tokens]);
  const logits = tf.add(tf.mul(tf.clipByValue(likeness, -1, 1), tau), tf.mul(tf.sub(real, 1), 1e9));
  return tf.mul(tf.exp(tf.sub(logits, tf.max(logits, 2, true))), real) as tf.Tensor3D;
}

/** w·vᵀ(I + Σ (w + ε) v vᵀ)⁻¹v of each head's rows, the mean over a group: [batch, kvHeads, tokens]. */
function capacityScores(
  weights: tf.Tensor3D,
  values: tf.Tensor4D,
  counted: tf.Tensor4D,
  epsilon: number,
): tf.Tensor3D {
  const [batch, kvHeads, tokens, headDim] = values.shape;
  const group = weights.shape[1] / kvHeads;
  const grouped = tf.reshape(weights, [batch, kvHeads, group, tokens, 1]);
  const scaled = tf.mul(
    tf.mul(tf.add(grouped, epsilon), tf.expandDims(counted, 1)),
    tf.expandDims(values, 2),
  );
  const spread = tf.broadcastTo(tf.expandDims(values, 2), scaled.shape);
  const products = tf.matMul(scaled, spread, true, false).dataSync();
  const size = headDim * headDim;
  const inverses = new Float32Array(products.length);
  for (let at = 0; at < products.length; at += size) {
    const matrix = Float64Array.from(products.subarray(at, at + size));
    for (let i = 0; i < headDim; i++) matrix[i * headDim + i]! += 1;
    inverses.set(inverse(matrix, headDim), at);
  }
  const solved = tf.matMul(spread, tf.tensor5d(inverses, [batch, kvHeads, group, headDim, headDim]));
  const leverage = tf.sum(tf.mul(solved, spread), 4, true);
  return tf.reshape(tf.mean(tf.mul(grouped, leverage), 2), [batch, kvHeads, tokens]);
}

/**
 * kvpress's CapPress: the likeness (cosine) of a key and the mean of the queries seen, turned by the mean rotation over
 * 512 positions to come, makes a row's weight w = exp(5·likeness), the greatest of a head brought to 1; its score is
 * w·vᵀ(I + Σ w v vᵀ)⁻¹v, averaged over the query heads of a group. 4 sinks stay, and neither they nor their queries count.
 */
export const cap = defineScoring({
  name: 'cap',
  summary: 'The rows whose values add most to what the values of relevant rows span',
  reference: 'CAPKV, arXiv 2604.25975; kvpress CapPress',
  kvpress: {
    press: 'CapPress',
    options: ({ n_sink, n_future_positions, tau, epsilon }) => ({ n_sink, n_future_positions, tau, epsilon }),
    scores: 'values',
  },
  options,
  score: (request, { n_sink, n_future_positions, tau, epsilon }) => {
    const { model } = request;
    const batch = requestBatch(request);
    const counted = behindSinks(batch, n_sink);
    const count = tf.maximum(tf.sum(counted, 2, true), 1);
    const rotation = meanRotation(model, batch, n_future_positions);
    const { cache, projected } = model.forward(batch, {
      cacheOnly: true,
      observeProjections: (_layer, { rawQueries }) => {
        const queries = tf.transpose(rawQueries, [0, 2, 1, 3]);
        const mean = tf.div(tf.sum(tf.mul(queries, counted), 2, true), count);
        return applyRotary(mean as tf.Tensor4D, rotation);
      },
    });
    const scores = projected.map((anchors, layer) =>
      tf.tidy(() => {
        const weights = relevance(anchors as tf.Tensor4D, cache.keys[layer]!, counted, tau);
        return capacityScores(weights, cache.values[layer]!, counted, epsilon);
      }),
    );
    return { cache, scores, sinks: n_sink };
  },
});
