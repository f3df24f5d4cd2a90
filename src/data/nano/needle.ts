/** A needle in a haystack at nano scale: one fact at a given depth of a text of a given length. */
import { z } from 'zod';
import type { Random } from '../../engine/random.js';
import type { Passage } from '../passage.js';
import { newEntity, tell, type Split } from './document.js';
import { defineGenerated, seedOption } from './generated.js';
import { spread } from './long-document.js';
import { kinds } from './words.js';

/** Words of the haystack for each fact about somebody else that it holds. */
const WORDS_PER_DISTRACTOR = 64;

/** A haystack of `words` words with the needle after `depth` per cent of its sentences. */
export function makeNeedle(
  { words, depth }: { words: number; depth: number },
  split: Split,
  random: Random,
  id: string,
): Passage {
  const kind = kinds[random.pick(['person', 'place', 'thing'] as const)];
  const names = new Set<string>();
  const fact = (): ReturnType<typeof tell> =>
    tell(
      kind,
      newEntity(kind, split, names, random),
      random.pick(Object.keys(kind.attributes)),
      split,
      random,
    );
  const needle = fact();
  const others = Array.from({ length: Math.floor(words / WORDS_PER_DISTRACTOR) }, () => fact().sentence);
  const hay = spread(others, words, random);
  const place = Math.round((depth / 100) * hay.length);
  return {
    id,
    context: [...hay.slice(0, place), needle.sentence, ...hay.slice(place)].join(' '),
    questions: [
      {
        id: `${id}-0`,
        question: needle.question,
        answers: [needle.value],
        tags: [`length=${words}`, `depth=${depth}`],
      },
    ],
  };
}

const depth = z.number().min(0).max(100);

export const nanoNeedle = defineGenerated({
  name: 'nano-needle',
  summary: 'One fact in a text of a given length at a given depth, with the question for it',
  reference: 'kvd (LLMTest_NeedleInAHaystack-shaped)',
  version: 1,
  options: z.strictObject({
    seed: seedOption,
    lengths: z
      .array(z.int().min(16).max(2000))
      .min(1)
      .default([128, 256, 512, 1024])
      .describe('words of the haystack'),
    depths: z.array(depth).min(1).default([0, 25, 50, 75, 100]).describe('where the needle is, in per cent'),
  }),
  // The grid of lengths and depths is walked again and again, so that any number of passages is spread over it.
  make: ({ lengths, depths }, split, index, random, id) =>
    makeNeedle(
      {
        words: lengths[Math.floor(index / depths.length) % lengths.length]!,
        depth: depths[index % depths.length]!,
      },
      split,
      random,
      id,
    ),
});
