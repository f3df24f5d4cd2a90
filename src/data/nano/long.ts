/** Long documents with multiple-choice questions: QuALITY at nano scale. */
import { z } from 'zod';
import { defineGenerated, seedOption } from './generated.js';
import { makeLongDocument } from './long-document.js';
import { choiceQuestions, longShape } from './long-questions.js';

export const nanoLong = defineGenerated({
  name: 'nano-long',
  summary: 'Generated documents of over 1,000 tokens; four choices, all of which stand in the document',
  reference: 'kvd (QuALITY-shaped, arXiv 2112.08608)',
  version: 1,
  options: z.strictObject({
    seed: seedOption,
    questions: z.int().min(1).max(20).default(8).describe('most questions about one document'),
  }),
  make: ({ questions }, split, _index, random, id) => {
    const document = makeLongDocument(longShape, split, random);
    return {
      id,
      context: document.sentences.join(' '),
      questions: choiceQuestions(document, questions, random, id),
    };
  },
});
