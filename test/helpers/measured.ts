/** A store filled as if something had been measured. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Store, type CellSpec } from '../../src/store/store.js';
import { cell, run, sample } from './rows.js';

const folder = mkdtempSync(join(tmpdir(), 'kvd-measured-'));
let count = 0;

export function freshStore(): Store {
  return Store.open(join(folder, `${count++}.sqlite`));
}

export interface Fake extends Partial<CellSpec> {
  /** Of the run. */
  name?: string;
  config?: Record<string, unknown>;
  /** Metric, or several that agree, and its value for each sample. */
  metric?: string | readonly string[];
  values: readonly number[];
  output?: string;
  references?: readonly string[];
  tags?: (index: number) => string[];
}

/** Stores one finished run with one cell. @returns the run's id */
export function measure(store: Store, fake: Fake): string {
  const { name = run.name, config = { training: {} }, metric = 'accuracy', ...more } = fake;
  const { values, output, references, tags, ...spec } = more;
  const retention = spec.retention ?? cell.retention;
  const id = store.createRun({ ...run, name, config, seed: spec.seed ?? 1 });
  const cellId = store.openCell(id, {
    ...cell,
    budget: JSON.stringify({ retention }),
    budgetLabel: `${100 * retention!} %`,
    ...(spec.method === 'kvd' && { adapterHash: JSON.stringify([config, spec.seed]) }),
    ...spec,
  });
  store.addSamples(
    cellId,
    values.map((value, i) => ({
      ...sample(`s${i}`, Object.fromEntries([metric].flat().map((name) => [name, value])), output),
      ...(references !== undefined && { references }),
      ...(tags !== undefined && { tags: tags(i) }),
    })),
  );
  store.setStatus(id, 'finished');
  return id;
}
