/** Multiple-choice questions on long documents of the nano domain. */
import type { z } from 'zod';
import { nanoLong as dataset } from '../data/nano/long.js';
import { fourChoices } from './kinds.js';
import { questionsOf } from './questions.js';
import { defineTask } from './task.js';

export const nanoLongQa = defineTask({
  name: 'nano-long-qa',
  summary: 'Four choices about generated documents of over 1,000 tokens (QuALITY at nano scale)',
  reference: 'kvd; marked as QuALITY',
  version: 1,
  splits: ['validation', 'test'],
  options: dataset.options as z.ZodObject,
  ...fourChoices,
  maxNewTokens: 12,
  samples: (options, split) => questionsOf(dataset.open(options, split)),
});
