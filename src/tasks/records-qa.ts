/** Anybody's own questions, marked by answers that the output must contain. */
import type { z } from 'zod';
import { records as dataset } from '../data/records.js';
import { extractive } from './kinds.js';
import { questionsOf } from './questions.js';
import { defineTask } from './task.js';

export const recordsQa = defineTask({
  name: 'records-qa',
  summary: 'Your own questions (JSON Lines, CSV, Parquet): answers that the output must contain',
  reference: 'kvd; marked as the paper marks its tasks of this kind',
  version: 1,
  splits: dataset.splits,
  options: dataset.options as z.ZodObject,
  ...extractive,
  maxNewTokens: 32,
  samples: (options, split) => questionsOf(dataset.open(options, split)),
});
