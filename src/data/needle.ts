/** A needle in a haystack of real text, as LLMTest_NeedleInAHaystack hides it. */
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import { readText } from '../base/files.js';
import { filesAt } from './files.js';
import { needleOrigin } from './needle-essays.js';
import { dataOption, pathsOf } from './origin.js';
import { defineDataset, type Passage, type PassageSource } from './passage.js';

/** Whether a sentence ends with this word. */
const SENTENCE_END = /[.!?]["')\]”’]*$/;

/** Words of all texts, beginning with text number `start`, over and over until there are `count`. */
function haystack(texts: readonly string[][], start: number, count: number): string[] {
  const words: string[] = [];
  for (let i = 0; words.length < count; i++) words.push(...texts[(start + i) % texts.length]!);
  return words.slice(0, count);
}

/** Words before the needle: `depth` per cent of all, brought back to the end of a sentence. */
function needlePlace(words: readonly string[], depth: number): number {
  if (depth >= 100) return words.length;
  let place = Math.floor((depth / 100) * words.length);
  while (place > 0 && !SENTENCE_END.test(words[place - 1]!)) place -= 1;
  return place;
}

interface NeedleOptions {
  lengths: number[];
  depths: number[];
  haystacks: number;
  needle: string;
  question: string;
  answers: string[];
}

/** Every length × haystack × depth, in that order. */
function needlePassages(paths: readonly string[], options: NeedleOptions): PassageSource {
  const { lengths, depths, haystacks } = options;
  const texts = paths
    .flatMap((path) => filesAt(path, '.txt'))
    .map((file) => readText(file).split(/\s+/).filter(Boolean))
    .filter((words) => words.length > 0);
  if (texts.length === 0) throw new UserError('no-text', 'has no text in it', { where: paths[0]! });
  const passage = (index: number): Passage => {
    const depth = depths[index % depths.length]!;
    const start = Math.floor(index / depths.length) % haystacks;
    const length = lengths[Math.floor(index / (depths.length * haystacks))]!;
    const words = haystack(texts, start, length);
    const place = needlePlace(words, depth);
    const id = `needle-${length}-${start}-${depth}`;
    return {
      id,
      context: [...words.slice(0, place), options.needle, ...words.slice(place)].join(' '),
      questions: [
        {
          id,
          question: options.question,
          answers: options.answers,
          tags: [`length=${length}`, `depth=${depth}`],
        },
      ],
    };
  };
  return { size: lengths.length * haystacks * depths.length, get: passage };
}

export const needle = defineDataset({
  name: 'needle',
  summary: 'A sentence hidden in essays at several depths and lengths',
  reference: 'LLMTest_NeedleInAHaystack',
  version: 1,
  splits: ['test'],
  origin: needleOrigin,
  options: z.strictObject({
    data: dataOption('a folder of .txt files, or one file: the haystack'),
    lengths: z
      .array(z.int().min(1).max(1_000_000))
      .min(1)
      .default([1000, 2000, 4000, 8000])
      .describe('words of the haystack, split at white space; the needle comes on top'),
    depths: z
      .array(z.number().min(0).max(100))
      .min(1)
      .default([0, 25, 50, 75, 100])
      .describe('where the needle is, in per cent of the words, brought back to the end of a sentence'),
    haystacks: z.int().min(1).default(1).describe('haystacks of each length; each begins with the next file'),
    needle: z
      .string()
      .min(1)
      .default(
        'The best thing to do in San Francisco is eat a sandwich and sit in Dolores Park on a sunny day.',
      )
      .describe('the sentence that is hidden'),
    question: z
      .string()
      .min(1)
      .default('What is the best thing to do in San Francisco?')
      .describe('the question for it'),
    answers: z
      .array(z.string().min(1))
      .min(1)
      .default(['eat a sandwich and sit in Dolores Park'])
      .describe('phrases any of which the answer must contain'),
  }),
  open: ({ data, ...options }, split) =>
    needlePassages(pathsOf('needle', needleOrigin, data, split), options),
});
