/** The rows whose keys are least like the others. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { questionOption, scoresByRows, seenBatch } from './prefill.js';
import { realRows, rowLengths, unitRows } from './rows.js';
import { defineScoring, type Rows } from './scoring.js';
import { sinkOption } from './selection.js';

/** −cos(k, mean of the normalised keys) of each KV head. */
function unlikeness({ keys, extents }: Rows): tf.Tensor3D {
  const unit = unitRows(keys, 1e-12);
  const real = tf.expandDims(realRows(extents, keys.shape[2]), 3);
  const mean = tf.div(tf.sum(tf.mul(unit, real), 2, true), tf.sum(real, 2, true));
  const length = tf.maximum(rowLengths(mean), 1e-8);
  return tf.neg(tf.div(tf.sum(tf.mul(unit, mean), 3), length)) as tf.Tensor3D;
}

/** kvpress's KeyDiffPress on keys after rotary embedding, not iterated (see `block`), no sinks. */
export const keydiff = defineScoring({
  name: 'keydiff',
  summary: 'The rows whose keys are least like the mean key',
  reference: 'KeyDiff, arXiv 2504.15364; kvpress KeyDiffPress',
  kvpress: { press: 'KeyDiffPress', options: () => ({}), scores: 'values' },
  options: z.strictObject({ n_sink: sinkOption.default(0), ...questionOption }),
  readsQuestion: ({ question }) => question === true,
  score: (request, options) => scoresByRows(request, seenBatch(request, options), options.n_sink, unlikeness),
  scoreRows: unlikeness,
});
