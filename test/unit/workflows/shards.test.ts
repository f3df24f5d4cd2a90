/** An evaluation in parts, in one store or in several, gives what one evaluation gives, to the last digit. */
import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { Store, type SampleRow } from '../../../src/store/store.js';
import { evaluateExperiment, parseShard } from '../../../src/workflows/evaluate.js';
import { adHocEvaluation } from '../../../src/workflows/experiments.js';
import { importRuns } from '../../../src/workflows/store-care.js';

const folder = mkdtempSync(join(tmpdir(), 'kvd-shards-'));
const loaded = adHocEvaluation(
  { task: 'nano-qa', method: ['full', 'h2i'], retention: ['0.25'], limit: 22 },
  // Batches of different lengths, so that padding differs between them.
);
const experiment = { ...loaded.experiment, evaluation: { ...loaded.experiment.evaluation!, batch_size: 4 } };
const small = { ...loaded, experiment };

function samples(store: Store): (Omit<SampleRow, 'seconds'> & { cell: string })[] {
  return store
    .cellSummaries()
    .flatMap(({ id, method }) =>
      store.samples(id).map(({ seconds: _seconds, ...rest }) => ({ ...rest, cell: method })),
    );
}

let whole: ReturnType<typeof samples>;
beforeAll(async () => {
  const store = Store.open(join(folder, 'whole.sqlite'));
  const result = await evaluateExperiment(small, store, { quiet: true });
  expect(result).toMatchObject({ samples: 44, complete: true, resumed: false });
  whole = samples(store);
});

it('three parts in stores of their own, merged in any order', async () => {
  const names = ['3/3', '1/3', '2/3'];
  for (const name of names) {
    const store = Store.open(join(folder, `part${name[0]}.sqlite`));
    const result = await evaluateExperiment(small, store, { quiet: true, shard: parseShard(name) });
    expect(result).toMatchObject({ complete: false });
    expect(store.listRuns()).toMatchObject([{ status: 'interrupted' }]);
    store.close();
  }
  const path = join(folder, 'merged.sqlite');
  for (const name of [...names, ...names]) importRuns(path, join(folder, `part${name[0]}.sqlite`));
  const merged = Store.open(path);
  expect(samples(merged)).toEqual(whole);
  expect(await evaluateExperiment(small, merged, { quiet: true })).toMatchObject({ complete: true });
  expect(merged.listRuns()).toMatchObject([{ status: 'finished' }]);
  expect(samples(merged)).toEqual(whole);
});

it('two parts in one store: the second to end finishes the run, and no lock is left', async () => {
  const store = Store.open(join(folder, 'shared.sqlite'));
  const first = await evaluateExperiment(small, store, { quiet: true, shard: parseShard('2/2') });
  const second = await evaluateExperiment(small, store, { quiet: true, shard: parseShard('1/2') });
  expect([first.complete, second.complete]).toEqual([false, true]);
  expect(store.listRuns()).toMatchObject([{ id: first.runId, status: 'finished' }]);
  expect(samples(store)).toEqual(whole);
  expect(readdirSync(folder).filter((name) => name.endsWith('.lock'))).toEqual([]);
});

it('a part that is none is refused', () => {
  for (const text of ['0/2', '3/2', '1/', '1', '-1/2', '1.5/2', ''])
    expect(() => parseShard(text), text).toThrow('no shard');
});
