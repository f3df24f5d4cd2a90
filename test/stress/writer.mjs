/**
 * A run in miniature, resumable: ten samples in five batches, metrics and a checkpoint after each.
 * Usage: node writer.mjs FOLDER; exit code 3 and the code of the UserError on stdout where something is wrong.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../dist/base/errors.js';
import { writeFileAtomic } from '../../dist/base/files.js';
import { Store } from '../../dist/store/store.js';

const [folder] = process.argv.slice(2);
const record = {
  kind: 'eval',
  name: 'w',
  config: {},
  configHash: 'h',
  seed: 1,
  engine: {},
  machine: {},
  codeVersion: '0',
  gitCommit: null,
};
const cell = {
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
const sample = (i) => ({
  sampleId: `s${i}`,
  prompt: 'p',
  output: 'x'.repeat(3000),
  references: [],
  tags: [],
  metrics: { accuracy: i % 2 },
  contextTokens: 10,
  keptTokens: 5,
  bytesBefore: 8,
  bytesAfter: 4,
  seconds: { compress: 0, generate: 0 },
});
try {
  const state = join(folder, 'state.json');
  const from = existsSync(state) ? JSON.parse(readFileSync(state, 'utf8')).step : 0;
  const store = Store.open(join(folder, 'kvd.sqlite'));
  const id = store.findRun({ kind: 'eval', configHash: 'h' })?.id ?? store.createRun(record);
  const cellId = store.openCell(id, cell);
  const done = store.doneSamples(cellId);
  for (let step = from + 1; step <= 5; step++) {
    const batch = [2 * step - 2, 2 * step - 1].map(sample).filter(({ sampleId }) => !done.has(sampleId));
    store.addSamples(cellId, batch);
    store.addMetrics(id, step, { loss: 1 / step });
    writeFileAtomic(state, JSON.stringify({ step, filler: 'y'.repeat(10_000) }));
  }
  store.setStatus(id, 'finished');
  store.close();
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  process.stdout.write(error.code);
  process.exitCode = 3;
}
