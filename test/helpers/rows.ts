/** Rows for a store of which tests change what they are about. */
import type { CellSpec, SampleRow } from '../../src/store/store.js';

export const run = {
  kind: 'eval',
  name: 'r',
  config: {},
  configHash: 'h',
  seed: 1,
  engine: {},
  machine: {},
  codeVersion: '0',
  gitCommit: null,
};
export const cell: CellSpec = {
  model: 'm',
  method: 'kvd',
  methodOptions: '{}',
  adapterHash: null,
  budget: '{}',
  budgetLabel: '25 %',
  retention: 0.25,
  task: 't',
  taskVersion: 1,
  split: 'test',
  seed: 1,
  eviction: 'real',
};
export const sample = (id: string, metrics: Record<string, number>, output = 'o'): SampleRow => ({
  sampleId: id,
  prompt: 'p',
  output,
  references: ['o'],
  tags: [],
  metrics,
  contextTokens: 100,
  keptTokens: 25,
  bytesBefore: 400,
  bytesAfter: 100,
  seconds: { compress: 0.1, generate: 0.2 },
});
