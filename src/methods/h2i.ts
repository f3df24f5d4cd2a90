/** H2, question-independent: attention accumulated over the context alone. */
import { z } from 'zod';
import { accumulatedAttention } from './heavy-hitters.js';
import { rankByAttention } from './prefill.js';
import { defineScoring } from './scoring.js';
import { requestBatch, sinkOption } from './selection.js';

export const h2i = defineScoring({
  name: 'h2i',
  summary: 'Heavy hitters by attention within the context (question-independent)',
  reference: 'KV-Distill section 4 (H2I); after H2O, arXiv 2306.14048',
  needs: { attention: true },
  options: z.strictObject({ n_sink: sinkOption }),
  rank: (request, { n_sink }) => {
    const batch = requestBatch(request);
    return rankByAttention(request, batch, n_sink, accumulatedAttention(batch));
  },
});
