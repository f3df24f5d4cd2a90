/** Summaries of reports of the nano domain. */
import type { z } from 'zod';
import { nanoGovreport as dataset } from '../data/nano/govreport.js';
import { summary } from './kinds.js';
import { questionsOf } from './questions.js';
import { defineTask } from './task.js';

export const nanoGovreport = defineTask({
  name: 'nano-govreport',
  summary: 'Summaries of generated reports of over 1,000 tokens (GovReport at nano scale)',
  reference: 'kvd; marked as GovReport',
  version: 1,
  splits: ['validation', 'test'],
  options: dataset.options as z.ZodObject,
  ...summary,
  maxNewTokens: 64,
  samples: (options, split) => questionsOf(dataset.open(options, split)),
});
