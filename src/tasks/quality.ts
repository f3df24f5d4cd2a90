/** QuALITY: multiple-choice questions on real stories and articles. */
import type { z } from 'zod';
import { quality as dataset } from '../data/quality.js';
import { fourChoices } from './kinds.js';
import { questionsOf } from './questions.js';
import { defineTask } from './task.js';

export const quality = defineTask({
  name: 'quality',
  summary: 'QuALITY v1.0.1 from a local file: four choices about texts of some 5,000 words',
  reference: 'KV-Distill, long-context question answering; arXiv 2112.08608',
  version: 1,
  splits: dataset.splits,
  options: dataset.options as z.ZodObject,
  ...fourChoices,
  maxNewTokens: 64,
  samples: (options, split) => questionsOf(dataset.open(options, split)),
});
