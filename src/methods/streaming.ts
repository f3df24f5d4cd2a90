/** StreamingLLM: the sinks and the most recent rows. */
import { z } from 'zod';
import { defineMethod } from './method.js';
import { compressByContextScores, sinkOption } from './selection.js';

export const streaming = defineMethod({
  name: 'streaming',
  summary: 'The sinks and the most recent rows: a floor',
  reference: 'StreamingLLM, arXiv 2309.17453; kvpress StreamingLLMPress (original positions)',
  eviction: 'real',
  needs: { training: false, question: false, attention: false },
  budget: 'free',
  options: z.strictObject({ n_sink: sinkOption }),
  compress: (request, { n_sink }) => ({
    cache: compressByContextScores(request, n_sink, (ids) => ids.map((_, position) => position)),
    kept: [...request.kept],
  }),
});
