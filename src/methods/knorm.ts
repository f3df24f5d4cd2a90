/** The rows whose keys are smallest: attention tends to go to them. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { scoresByRows } from './prefill.js';
import { rowLengths } from './rows.js';
import { defineScoring, type Rows } from './scoring.js';
import { requestBatch, sinkOption } from './selection.js';

function negativeNorms({ keys }: Rows): tf.Tensor3D {
  return tf.neg(rowLengths(keys)) as tf.Tensor3D;
}

/** kvpress's KnormPress: −‖k‖₂ of each KV head, no sinks. */
export const knorm = defineScoring({
  name: 'knorm',
  summary: 'The rows with the smallest keys',
  reference: 'arXiv 2406.11430; kvpress KnormPress',
  kvpress: { press: 'KnormPress', options: () => ({}), scores: 'values' },
  options: z.strictObject({ n_sink: sinkOption.default(0) }),
  score: (request, { n_sink }) => scoresByRows(request, requestBatch(request), n_sink, negativeNorms),
  scoreRows: negativeNorms,
});
