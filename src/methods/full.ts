/** No compression: every row stays. The row that all others are measured against. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { defineMethod } from './method.js';
import { requestBatch } from './selection.js';

export const full = defineMethod({
  name: 'full',
  summary: 'No compression: the uncompressed cache',
  reference: 'KV-Distill, "base" in Table 2',
  eviction: 'real',
  needs: { training: false, question: false, attention: false },
  budget: { budget: { kind: 'ratio', retention: 1 }, label: '100 %' },
  options: z.strictObject({}),
  compress: (request) => {
    const batch = requestBatch(request);
    const cache = tf.tidy(() => request.model.forward(batch, { cacheOnly: true }).cache);
    return { cache, kept: batch.lengths };
  },
});
