/** LongAlpaca: questions about papers and books, and short instructions of Alpaca's. */
import { z } from 'zod';
import { defineInstructions } from './instruction.js';

const text = z.string();

/** `… The paper begins. … Now the paper ends. What …`, of papers, of two papers, of books ("the material"). */
const DOCUMENT = /^(.*?)\n(.*)\bNow the [a-z ]+ ends\.(.*)$/s;
/** What announces a single paper. */
const BEGINNING = /^\s*The paper begins\.\s*/;

/**
 * Where there is an `input`, it is the context and `instruction` the instruction. Else the context is what stands in
 * `instruction` between its first line and the last "Now the … ends.", and the instruction what follows that.
 * Answer: the output. Records without either are passed over.
 */
export const longAlpaca = defineInstructions({
  name: 'long-alpaca',
  summary: 'Questions about papers and books of up to 32,000 tokens (training)',
  reference: 'arXiv 2309.12307',
  version: 1,
  origin: {
    kind: 'hub',
    repository: 'Yukang/LongAlpaca-12k',
    licence: 'CC BY-NC 4.0',
    splits: { train: ['LongAlpaca-12k.json'] },
  },
  columns: ['instruction', 'input', 'output'],
  record: z.object({ instruction: text, input: text.nullish(), output: text }),
  split: ({ instruction, input, output }) => {
    if (input?.trim()) return { context: input, instruction, answer: output };
    const found = DOCUMENT.exec(instruction);
    if (found === null || found[3]!.trim() === '') return undefined;
    const context = found[2]!.replace(BEGINNING, '');
    return { context, instruction: found[3]!, answer: output.replace(/^Answer: /, '') };
  },
});
