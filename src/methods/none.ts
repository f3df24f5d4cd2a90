/** No context: only the row of its first token (BOS) stays, which says nothing of it. The zero-context line. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { defineMethod } from './method.js';
import { requestBatch } from './selection.js';

export const none = defineMethod({
  name: 'none',
  summary: 'No context: what the model answers from the question alone',
  reference: 'KV-Distill, "zero-context" in Figures 4 and 5',
  eviction: 'real',
  needs: { training: false, question: false, attention: false },
  budget: { budget: { kind: 'tokens', tokens: 1 }, label: 'no context' },
  options: z.strictObject({}),
  compress: (request) => {
    // Rows see only what is before them: the first is the same without the rest.
    const batch = requestBatch(
      request,
      request.contexts.map((context) => context.slice(0, 1)),
    );
    const cache = tf.tidy(() => request.model.forward(batch, { cacheOnly: true }).cache);
    const nextPositions = request.contexts.map((context, row) => batch.starts[row]! + context.length);
    return { cache: { ...cache, nextPositions }, kept: request.contexts.map(() => 1) };
  },
});
