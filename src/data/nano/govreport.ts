/** Summaries of whole reports: GovReport at nano scale. */
import { z } from 'zod';
import { defineGenerated, seedOption } from './generated.js';
import { makeLongDocument } from './long-document.js';
import { longShape, reportSummary } from './long-questions.js';

export const nanoGovreport = defineGenerated({
  name: 'nano-govreport',
  summary: 'Generated reports of over 1,000 tokens; a summary of the two subjects that the title names',
  reference: 'kvd (GovReport-shaped, arXiv 2104.02112)',
  version: 1,
  options: z.strictObject({
    seed: seedOption,
    background: z
      .enum(['facts', 'filler'])
      .optional()
      .describe('what else a report tells: facts of other names (default), or nothing of note'),
  }),
  make: ({ background }, split, _index, random, id) => {
    const shape = background === 'filler' ? { ...longShape, profiles: 2, others: 0 } : longShape;
    const document = makeLongDocument(shape, split, random);
    return { id, context: document.sentences.join(' '), questions: [reportSummary(document, id)] };
  },
});
