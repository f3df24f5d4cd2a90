/** No compression: every row stays. The row that all others are measured against. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { makeBatch } from '../models/batch.js';
import { defineMethod } from './method.js';

export const full = defineMethod({
  name: 'full',
  summary: 'No compression: the uncompressed cache',
  reference: 'KV-Distill, "base" in Table 2',
  eviction: 'real',
  needs: { training: false, question: false, attention: false },
  options: z.strictObject({}),
  compress: ({ model, contexts }) => {
    const batch = makeBatch(contexts);
    const cache = tf.tidy(() => model.forward(batch, { cacheOnly: true }).cache);
    return { cache, kept: batch.lengths };
  },
});
