/** SQuAD: extractive questions on real text. */
import type { z } from 'zod';
import { squad as dataset } from '../data/squad.js';
import { extractive } from './kinds.js';
import { questionsOf } from './questions.js';
import { defineTask } from './task.js';

export const squad = defineTask({
  name: 'squad',
  summary: 'SQuAD v1.1 or v2.0 from a local file',
  reference: 'KV-Distill section 5.2 and appendix A; arXiv 1606.05250',
  version: 1,
  splits: dataset.splits,
  options: dataset.options as z.ZodObject,
  ...extractive,
  chance: 0,
  maxNewTokens: 128,
  samples: (options, split) => questionsOf(dataset.open(options, split)),
});
