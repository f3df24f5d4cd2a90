/** Super-NaturalInstructions: 1,600 tasks, each with a definition that experts wrote. */
import { z } from 'zod';
import { defineInstructions } from './instruction.js';

const text = z.string();

/** Context: the input. Instruction: the task's definition. Answer: the target. */
export const naturalInstructions = defineInstructions({
  name: 'natural-instructions',
  summary: 'Super-NaturalInstructions: tasks with their definitions (training)',
  reference: 'arXiv 2204.07705',
  version: 1,
  origin: {
    kind: 'hub',
    repository: 'Muennighoff/natural-instructions@refs/convert/parquet',
    licence: 'Apache-2.0; each task names its source',
    splits: { train: ['default/train/*.parquet'] },
  },
  columns: ['definition', 'inputs', 'targets'],
  record: z.object({ definition: text, inputs: text, targets: text }),
  split: ({ definition, inputs, targets }) =>
    inputs.trim() === '' ? undefined : { context: inputs, instruction: definition, answer: targets },
});
