/** A needle in a haystack of real essays. */
import type { z } from 'zod';
import { needle as dataset } from '../data/needle.js';
import { extractive } from './kinds.js';
import { questionsOf } from './questions.js';
import { defineTask } from './task.js';

export const needle = defineTask({
  name: 'needle',
  summary: "A sentence hidden in essays, by its depth and the haystack's length",
  reference: 'KV-Distill, Figure 3; LLMTest_NeedleInAHaystack',
  version: 1,
  splits: dataset.splits,
  options: dataset.options as z.ZodObject,
  ...extractive,
  maxNewTokens: 64,
  samples: (options, split) => questionsOf(dataset.open(options, split)),
});
