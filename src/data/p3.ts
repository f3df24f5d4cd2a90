/** P3: datasets of natural language processing under prompts that people wrote. */
import { z } from 'zod';
import { defineInstructions, longestParagraph } from './instruction.js';

const text = z.string();

/**
 * A prompt of P3 is one text. Context: its longest paragraph. Instruction: the other paragraphs, in their order.
 * Answer: the target. Prompts of a single paragraph are passed over.
 */
export const p3 = defineInstructions({
  name: 'p3',
  summary: 'Prompted datasets, the Public Pool of Prompts (training)',
  reference: 'arXiv 2110.08207',
  version: 1,
  origin: {
    kind: 'hub',
    repository: 'bigscience/P3@refs/convert/parquet',
    licence: 'Apache-2.0; each dataset in it has its own',
    splits: { train: ['*/train/*.parquet'] },
  },
  columns: ['inputs_pretokenized', 'targets_pretokenized'],
  record: z.object({ inputs_pretokenized: text, targets_pretokenized: text }),
  split: ({ inputs_pretokenized: prompt, targets_pretokenized: answer }) => {
    const parts = longestParagraph(prompt);
    return parts && { ...parts, answer };
  },
});
