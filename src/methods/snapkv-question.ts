/** SnapKV, question-aware: the window ends with the question. */
import { defineMethod } from './method.js';
import { windowOptions, windowScores } from './observation-window.js';
import { compressByAttention, withQuestions } from './observed-attention.js';

export const snapkvQuestion = defineMethod({
  name: 'snapkv-question',
  summary: 'Pooled attention of the last tokens of context and question (question-aware)',
  reference: 'SnapKV, arXiv 2404.14469; kvpress SnapKVPress',
  eviction: 'real',
  needs: { training: false, question: true, attention: true },
  budget: 'free',
  options: windowOptions,
  compress: (request, options) => ({
    cache: compressByAttention(request, withQuestions(request), options.n_sink, (batch) =>
      windowScores(batch, options),
    ),
    kept: [...request.kept],
  }),
});
