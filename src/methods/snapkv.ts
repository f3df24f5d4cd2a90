/** SnapKV, question-independent: the window is the end of the context. */
import { windowOptions, windowPress, windowScores } from './observation-window.js';
import { scoresByAttention } from './prefill.js';
import { defineScoring } from './scoring.js';
import { requestBatch } from './selection.js';

export const snapkv = defineScoring({
  name: 'snapkv',
  summary: 'Pooled attention of the last tokens of the context (question-independent)',
  reference: 'SnapKV, arXiv 2404.14469; kvpress SnapKVPress',
  needs: { attention: true },
  kvpress: windowPress,
  options: windowOptions,
  score: (request, options) => {
    const batch = requestBatch(request);
    return scoresByAttention(request, batch, options.n_sink, windowScores(batch, options));
  },
});
