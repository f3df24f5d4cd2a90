/** Extractive questions on the nano domain. */
import { nano } from '../data/nano/index.js';
import type { z } from 'zod';
import { extractive } from './kinds.js';
import { questionsOf } from './questions.js';
import { defineTask } from './task.js';

export const nanoQa = defineTask({
  name: 'nano-qa',
  summary: 'Extractive questions on generated documents (SQuAD at nano scale)',
  reference: 'kvd; marked as KV-Distill appendix A marks SQuAD',
  version: 1,
  splits: ['validation', 'test'],
  options: nano.options as z.ZodObject,
  ...extractive,
  maxNewTokens: 8,
  samples: (options, split) => questionsOf(nano.open(options, split)),
});
