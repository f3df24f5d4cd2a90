/** What every dataset of the nano world shares: its splits, its sizes, a random stream for each passage. */
import { z } from 'zod';
import { Random } from '../../engine/random.js';
import { defineDataset, type Dataset, type Passage } from '../passage.js';
import type { Split } from './document.js';

const SPLITS = ['train', 'validation', 'test'] as const;
/** Passages in the validation and test splits. */
const HELD_OUT = 2000;

export const seedOption = z.int().min(0).default(7).describe('seed of the generated documents');

/** Declares a dataset whose passages are generated, without end in the training split. */
export function defineGenerated<Schema extends z.ZodObject>(dataset: {
  name: string;
  summary: string;
  reference: string;
  version: number;
  options: Schema;
  make: (options: z.output<Schema>, split: Split, index: number, random: Random, id: string) => Passage;
}): Dataset {
  const { make, ...rest } = dataset;
  return defineDataset({
    ...rest,
    splits: SPLITS,
    open: (options, split) => ({
      size: split === 'train' ? Infinity : HELD_OUT,
      get: (index) => {
        const { seed } = options as { seed: number };
        const random = new Random(`${dataset.name}/${seed}/${split}/${index}`);
        return make(options, split as Split, index, random, `${dataset.name}-${split}-${index}`);
      },
    }),
  });
}
