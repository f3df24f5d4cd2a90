/** H2, question-independent: attention accumulated over the context alone. */
import { z } from 'zod';
import { accumulatedAttention } from './heavy-hitters.js';
import { defineMethod } from './method.js';
import { compressByAttention } from './observed-attention.js';
import { sinkOption } from './selection.js';

export const h2i = defineMethod({
  name: 'h2i',
  summary: 'Heavy hitters by attention within the context (question-independent)',
  reference: 'KV-Distill section 4 (H2I); after H2O, arXiv 2306.14048',
  eviction: 'real',
  needs: { training: false, question: false, attention: true },
  budget: 'free',
  options: z.strictObject({ n_sink: sinkOption }),
  compress: (request, { n_sink }) => ({
    cache: compressByAttention(request, request.contexts, n_sink, accumulatedAttention),
    kept: [...request.kept],
  }),
});
