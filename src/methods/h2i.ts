/** H2, question-independent: attention accumulated over the context alone. */
import { z } from 'zod';
import { accumulatedAttention } from './heavy-hitters.js';
import { scoresByAttention } from './prefill.js';
import { defineScoring } from './scoring.js';
import { requestBatch, sinkOption } from './selection.js';

export const h2i = defineScoring({
  name: 'h2i',
  summary: 'Heavy hitters by attention within the context (question-independent)',
  reference: 'KV-Distill section 4 (H2I); after H2O, arXiv 2306.14048',
  needs: { attention: true },
  options: z.strictObject({ n_sink: sinkOption }),
  score: (request, { n_sink }) => {
    const batch = requestBatch(request);
    return scoresByAttention(request, batch, n_sink, accumulatedAttention(batch));
  },
});
