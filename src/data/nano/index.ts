/** The nano domain as a dataset: extractive questions in SQuAD's shape, generated from a seed. */
import { z } from 'zod';
import { Random } from '../../engine/random.js';
import { defineDataset } from '../passage.js';
import { makeDocument, type DocumentShape, type Split } from './document.js';

const SPLITS = ['train', 'validation', 'test'] as const;
/** Passages in the validation and test splits. */
const HELD_OUT = 2000;

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

export const nano = defineDataset({
  name: 'nano',
  summary: 'Generated documents about people, places and things with extractive questions',
  reference: 'kvd (SQuAD-shaped, arXiv 1606.05250; held-out names and value combinations)',
  version: 1,
  splits: SPLITS,
  options: z.strictObject({
    seed: z.int().min(0).default(7).describe('seed of the generated documents'),
    min_facts: z.int().min(1).max(100).default(fullShape.facts[0]).describe('fewest facts in a document'),
    max_facts: z.int().min(1).max(100).default(fullShape.facts[1]).describe('most facts in a document'),
  }),
  open: (options, split) => ({
    size: split === 'train' ? Infinity : HELD_OUT,
    get: (index) => {
      const random = new Random(`nano/${options.seed}/${split}/${index}`);
      const shape = { ...fullShape, facts: [options.min_facts, options.max_facts] as const };
      const document = makeDocument(shape, split as Split, random);
      return {
        id: `nano-${split}-${index}`,
        context: document.sentences.join(' '),
        questions: document.facts.map((fact, i) => ({
          id: `nano-${split}-${index}-${i}`,
          question: fact.question,
          answers: [fact.value],
          tags: [
            fact.sharedBy > 1 ? 'shared-attribute' : 'unique-attribute',
            fact.value.includes(' ') ? 'two-word' : 'one-word',
          ],
        })),
      };
    },
  }),
});
