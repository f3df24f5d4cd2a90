/** H2, question-aware: attention accumulated over context and question. */
import { z } from 'zod';
import { accumulatedAttention } from './heavy-hitters.js';
import { defineMethod } from './method.js';
import { compressByAttention, withQuestions } from './observed-attention.js';
import { sinkOption } from './selection.js';

export const h2a = defineMethod({
  name: 'h2a',
  summary: 'Heavy hitters by attention of context and question (question-aware)',
  reference: 'KV-Distill section 4 (H2A); after H2O, arXiv 2306.14048',
  eviction: 'real',
  needs: { training: false, question: true, attention: true },
  budget: 'free',
  options: z.strictObject({ n_sink: sinkOption }),
  compress: (request, { n_sink }) => ({
    cache: compressByAttention(request, withQuestions(request), n_sink, accumulatedAttention),
    kept: [...request.kept],
  }),
});
