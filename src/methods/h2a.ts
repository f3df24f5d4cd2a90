/** H2, question-aware: attention accumulated over context and question. */
import { z } from 'zod';
import { accumulatedAttention } from './heavy-hitters.js';
import { scoresByAttention, withQuestions } from './prefill.js';
import { defineScoring } from './scoring.js';
import { requestBatch, sinkOption } from './selection.js';

export const h2a = defineScoring({
  name: 'h2a',
  summary: 'Heavy hitters by attention of context and question (question-aware)',
  reference: 'KV-Distill section 4 (H2A); after H2O, arXiv 2306.14048',
  needs: { question: true, attention: true },
  options: z.strictObject({ n_sink: sinkOption }),
  score: (request, { n_sink }) => {
    const batch = requestBatch(request, withQuestions(request));
    return scoresByAttention(request, batch, n_sink, accumulatedAttention(batch));
  },
});
