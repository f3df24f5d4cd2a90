/** StreamingLLM: the sinks and the most recent rows. */
import { z } from 'zod';
import { scoresByIds } from './prefill.js';
import { defineScoring } from './scoring.js';
import { sinkOption } from './selection.js';

/** kvpress scores 1 what stays and 0 what goes; here the score is the position, which keeps the same rows. */
export const streaming = defineScoring({
  name: 'streaming',
  summary: 'The sinks and the most recent rows: a floor',
  reference: 'StreamingLLM, arXiv 2309.17453; kvpress StreamingLLMPress (original positions)',
  kvpress: {
    press: 'StreamingLLMPress',
    options: ({ n_sink }) => ({ n_sink }),
    scores: 'order',
  },
  options: z.strictObject({ n_sink: sinkOption }),
  score: (request, { n_sink }) => scoresByIds(request, n_sink, (ids) => ids.map((_, position) => position)),
});
