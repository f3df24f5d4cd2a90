/** GovReport: summaries of real reports. */
import type { z } from 'zod';
import { govreport as dataset } from '../data/govreport.js';
import { summary } from './kinds.js';
import { questionsOf } from './questions.js';
import { defineTask } from './task.js';

export const govreport = defineTask({
  name: 'govreport',
  summary: 'GovReport from a local file or folder: summaries of reports of the US government',
  reference: 'KV-Distill, summarisation; arXiv 2104.02112',
  version: 1,
  splits: dataset.splits,
  options: dataset.options as z.ZodObject,
  ...summary,
  maxNewTokens: 630,
  samples: (options, split) => questionsOf(dataset.open(options, split)),
});
