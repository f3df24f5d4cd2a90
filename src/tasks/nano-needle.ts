/** A needle in a haystack of the nano domain. */
import type { z } from 'zod';
import { nanoNeedle as dataset } from '../data/nano/needle.js';
import { extractive } from './kinds.js';
import { questionsOf } from './questions.js';
import { defineTask } from './task.js';

export const nanoNeedle = defineTask({
  name: 'nano-needle',
  summary: "One fact in a generated text, by its depth and the text's length",
  reference: 'kvd; LLMTest_NeedleInAHaystack at nano scale',
  version: 1,
  splits: ['validation', 'test'],
  options: dataset.options as z.ZodObject,
  ...extractive,
  maxNewTokens: 8,
  samples: (options, split) => questionsOf(dataset.open(options, split)),
});
