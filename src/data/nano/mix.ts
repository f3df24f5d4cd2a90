/** A mixture of the nano world to train on: short documents, long ones with every kind of question, needles. */
import { z } from 'zod';
import { Random } from '../../engine/random.js';
import type { Passage } from '../passage.js';
import type { Split } from './document.js';
import { defineGenerated, seedOption } from './generated.js';
import { nano } from './index.js';
import { makeLongDocument } from './long-document.js';
import { choiceQuestions, longShape, profileSummaries, valueQuestions } from './long-questions.js';
import { makeNeedle } from './needle.js';

/** A long document with questions of every kind but the summary of the whole report. */
export function longPassage(split: Split, random: Random, id: string, words = longShape.words): Passage {
  const document = makeLongDocument({ ...longShape, words }, split, random);
  return {
    id,
    context: document.sentences.join(' '),
    questions: random.shuffle([
      ...choiceQuestions(document, 6, random, id),
      ...valueQuestions(document.facts, 4, random, id),
      ...profileSummaries(document, 2, random, id),
    ]),
  };
}

const weight = z.number().min(0);

export const nanoMix = defineGenerated({
  name: 'nano-mix',
  summary: 'Short and long documents and needles, with every kind of question but whole-report summaries',
  reference: 'kvd; what the general adapter of the nano scale is distilled on',
  version: 1,
  options: z.strictObject({
    seed: seedOption,
    short: weight.default(0.4).describe('weight of short documents (dataset nano)'),
    long: weight.default(0.5).describe('weight of long documents'),
    needle: weight.default(0.1).describe('weight of needles'),
    block: z
      .int()
      .min(1)
      .default(8)
      .describe('passages of one kind in a row, so that a batch is of one length'),
  }),
  make: ({ seed, short, long, needle, block }, split, index, random, id) => {
    const draw = new Random(`nano-mix/${seed}/${split}/kind/${Math.floor(index / block)}`);
    let left = draw.uniform() * (short + long + needle);
    if ((left -= short) < 0) return nano.open({ seed }, split).get(index);
    if (left - long < 0) return longPassage(split, random, id);
    const words = draw.pick([128, 256, 512, 1024]);
    return makeNeedle({ words, depth: 100 * random.uniform() }, split, random, id);
  },
});
