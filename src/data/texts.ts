/** Anybody's own texts, without questions: a model is to go on with what it has read. */
import { basename } from 'node:path';
import { z } from 'zod';
import { readText } from '../base/files.js';
import { filesAt } from './files.js';
import { defineDataset, passageSource, type Passage } from './passage.js';

interface Cut {
  context_words: number;
  continuation_words: number;
  prompt: string;
}

/** Pieces of a text, each a context with the words that follow it as its answer; a shorter rest is left out. */
export function cutText(text: string, name: string, cut: Cut): Passage[] {
  const words = [...text.matchAll(/\S+/g)];
  const step = cut.context_words + cut.continuation_words;
  const between = (from: number, to: number): string => {
    const last = words[to - 1]!;
    return text.slice(words[from]!.index, last.index + last[0].length);
  };
  return Array.from({ length: Math.floor(words.length / step) }, (_, i) => {
    const id = `${name}:${i * step}`;
    const middle = i * step + cut.context_words;
    const answers = [between(middle, (i + 1) * step)];
    return { id, context: between(i * step, middle), questions: [{ id, question: cut.prompt, answers }] };
  });
}

export const texts = defineDataset({
  name: 'texts',
  summary: 'Your own texts without questions, to be gone on with (.txt files)',
  reference: 'kvd',
  version: 1,
  splits: ['train', 'validation', 'test'],
  options: z.strictObject({
    data: z.string().describe('a .txt file, or a folder of them'),
    context_words: z.int().min(1).default(500).describe('words that are compressed'),
    continuation_words: z.int().min(1).default(60).describe('words that follow'),
    prompt: z.string().min(1).default('Go on with the text.').describe('what is asked'),
  }),
  open: ({ data, ...cut }) =>
    passageSource(
      filesAt(data, '.txt').flatMap((file) => cutText(readText(file, 2 ** 28), basename(file), cut)),
    ),
});
