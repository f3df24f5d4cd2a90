/** Anybody's own questions, marked by ROUGE against the best reference. */
import type { z } from 'zod';
import { records as dataset } from '../data/records.js';
import { summary } from './kinds.js';
import { questionsOf } from './questions.js';
import { defineTask } from './task.js';

export const recordsSummary = defineTask({
  name: 'records-summary',
  summary: 'Your own questions (JSON Lines, CSV, Parquet): ROUGE against the best reference',
  reference: 'kvd; marked as the paper marks its tasks of this kind',
  version: 1,
  splits: dataset.splits,
  options: dataset.options as z.ZodObject,
  ...summary,
  maxNewTokens: 256,
  samples: (options, split) => questionsOf(dataset.open(options, split)),
});
