/** SnapKV, question-independent: the window is the end of the context. */
import { defineMethod } from './method.js';
import { windowOptions, windowScores } from './observation-window.js';
import { compressByAttention } from './observed-attention.js';

export const snapkv = defineMethod({
  name: 'snapkv',
  summary: 'Pooled attention of the last tokens of the context (question-independent)',
  reference: 'SnapKV, arXiv 2404.14469; kvpress SnapKVPress',
  eviction: 'real',
  needs: { training: false, question: false, attention: true },
  budget: 'free',
  options: windowOptions,
  compress: (request, options) => ({
    cache: compressByAttention(request, request.contexts, options.n_sink, (batch) =>
      windowScores(batch, options),
    ),
    kept: [...request.kept],
  }),
});
