/** Question-focused summaries of long documents: SQuALITY at nano scale. */
import { z } from 'zod';
import { defineGenerated, seedOption } from './generated.js';
import { makeLongDocument } from './long-document.js';
import { longShape, profileSummaries } from './long-questions.js';

export const nanoSquality = defineGenerated({
  name: 'nano-squality',
  summary: 'Generated documents of over 1,000 tokens; summaries of what is told of one name',
  reference: 'kvd (SQuALITY-shaped, arXiv 2205.11465)',
  version: 1,
  options: z.strictObject({
    seed: seedOption,
    summaries: z.int().min(1).max(longShape.profiles).default(2).describe('summaries of one document'),
  }),
  make: ({ summaries }, split, _index, random, id) => {
    const document = makeLongDocument(longShape, split, random);
    return {
      id,
      context: document.sentences.join(' '),
      questions: profileSummaries(document, summaries, random, id),
    };
  },
});
