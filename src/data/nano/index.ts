/** The nano domain as a dataset: extractive questions in SQuAD's shape, generated from a seed. */
import { z } from 'zod';
import { makeDocument, type DocumentShape } from './document.js';
import { defineGenerated, seedOption } from './generated.js';

/** The full domain: what base models are tested on and adapters are distilled on. */
export const fullShape: DocumentShape = {
  facts: [5, 10],
  attributesPerEntity: 3,
  statementForms: 3,
  questionForms: 2,
  fillers: [0, 3],
  twoWordValues: true,
  bare: false,
};

export const nano = defineGenerated({
  name: 'nano',
  summary: 'Generated documents about people, places and things with extractive questions',
  reference: 'kvd (SQuAD-shaped, arXiv 1606.05250; held-out names and value combinations)',
  version: 1,
  options: z.strictObject({
    seed: seedOption,
    min_facts: z.int().min(1).max(100).default(fullShape.facts[0]).describe('fewest facts in a document'),
    max_facts: z.int().min(1).max(100).default(fullShape.facts[1]).describe('most facts in a document'),
  }),
  make: (options, split, _index, random, id) => {
    const shape = { ...fullShape, facts: [options.min_facts, options.max_facts] as const };
    const document = makeDocument(shape, split, random);
    return {
      id,
      context: document.sentences.join(' '),
      questions: document.facts.map((fact, i) => ({
        id: `${id}-${i}`,
        question: fact.question,
        answers: [fact.value],
        tags: [
          fact.sharedBy > 1 ? 'shared-attribute' : 'unique-attribute',
          fact.value.includes(' ') ? 'two-word' : 'one-word',
        ],
      })),
    };
  },
});
