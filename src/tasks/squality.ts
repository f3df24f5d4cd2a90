/** SQuALITY: summaries of real stories that answer a question. */
import type { z } from 'zod';
import { squality as dataset } from '../data/squality.js';
import { summary } from './kinds.js';
import { questionsOf } from './questions.js';
import { defineTask } from './task.js';

export const squality = defineTask({
  name: 'squality',
  summary: 'SQuALITY v1.3 from a local file: question-focused summaries, ROUGE against the best reference',
  reference: 'KV-Distill, question-focused summarisation; arXiv 2205.11465',
  version: 2,
  splits: dataset.splits,
  options: dataset.options as z.ZodObject,
  ...summary,
  maxNewTokens: 512,
  samples: (options, split) => questionsOf(dataset.open(options, split)),
});
