/** Intrinsic: how much compression changes what the model expects of any text's continuation. */
import { basename } from 'node:path';
import { z } from 'zod';
import { readText } from '../base/files.js';
import { filesAt } from '../data/files.js';
import { defineTask } from './task.js';

export const continuation = defineTask({
  name: 'continuation',
  summary: 'KL to the uncompressed model and perplexity of the continuation of any text',
  reference: 'kvd; KL(p‖q) as in KV-Distill section 3.3',
  version: 1,
  splits: ['test'],
  options: z.strictObject({
    data: z.string().describe('a .txt file, or a folder of them'),
    context_words: z.int().min(1).default(120).describe('words that are compressed'),
    continuation_words: z.int().min(2).default(40).describe('words whose likelihood is measured'),
  }),
  mode: 'continue',
  metrics: [],
  chance: undefined,
  maxNewTokens: 0,
  *samples({ data, context_words, continuation_words }) {
    const step = context_words + continuation_words;
    for (const file of filesAt(data, '.txt')) {
      const words = readText(file).split(/\s+/).filter(Boolean);
      for (let at = 0; at + step <= words.length; at += step) {
        yield {
          id: `${basename(file)}:${at}`,
          context: words.slice(at, at + context_words).join(' '),
          question: '',
          answers: [words.slice(at + context_words, at + step).join(' ')],
          tags: [basename(file)],
        };
      }
    }
  },
});
