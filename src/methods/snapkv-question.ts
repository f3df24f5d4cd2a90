/** SnapKV, question-aware: the window ends with the question. */
import { windowOptions, windowScores } from './observation-window.js';
import { scoresByAttention, withQuestions } from './prefill.js';
import { defineScoring } from './scoring.js';
import { requestBatch } from './selection.js';

export const snapkvQuestion = defineScoring({
  name: 'snapkv-question',
  summary: 'Pooled attention of the last tokens of context and question (question-aware)',
  reference: 'SnapKV, arXiv 2404.14469; kvpress SnapKVPress',
  needs: { question: true, attention: true },
  options: windowOptions,
  score: (request, options) => {
    const batch = requestBatch(request, withQuestions(request));
    return scoresByAttention(request, batch, options.n_sink, windowScores(batch, options));
  },
});
