/** Question-focused summaries of long documents of the nano domain. */
import type { z } from 'zod';
import { nanoSquality as dataset } from '../data/nano/squality.js';
import { summary } from './kinds.js';
import { questionsOf } from './questions.js';
import { defineTask } from './task.js';

export const nanoSquality = defineTask({
  name: 'nano-squality',
  summary: 'Summaries of one name in a generated document of over 1,000 tokens (SQuALITY at nano scale)',
  reference: 'kvd; marked as SQuALITY',
  version: 1,
  splits: ['validation', 'test'],
  options: dataset.options as z.ZodObject,
  ...summary,
  maxNewTokens: 64,
  samples: (options, split) => questionsOf(dataset.open(options, split)),
});
