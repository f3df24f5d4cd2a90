/** `kvd runs compare`: paired tests between two evaluations, or two groups of seeds. */
import { UserError } from '../base/errors.js';
import { mcnemar, mean, pairedBootstrap } from '../evaluation/statistics.js';
import type { Table } from '../reports/table.js';
import { writers } from '../reports/writers/index.js';
import { Store, type CellSummary } from '../store/store.js';

export interface Comparison {
  cell: string;
  n: number;
  accuracyFirst: number;
  accuracySecond: number;
  /** McNemar's exact p; undefined where several seeds are averaged (then the bootstrap's p stands in). */
  accuracyP: number;
  accuracyTest: 'McNemar' | 'paired bootstrap';
  f1Difference: { mean: number; low: number; high: number; p: number };
}

/** Leaves of a configuration by dotted path. */
function flatten(value: unknown, path = ''): [string, string][] {
  if (value === null || typeof value !== 'object') return [[path, JSON.stringify(value)]];
  return Object.entries(value).flatMap(([key, inner]) =>
    flatten(inner, path === '' ? key : `${path}.${key}`),
  );
}

/** Keys whose values differ between two configurations. */
export function differingKeys(
  first: unknown,
  second: unknown,
): { key: string; first: string; second: string }[] {
  const a = new Map(flatten(first));
  const b = new Map(flatten(second));
  return [...new Set([...a.keys(), ...b.keys()])]
    .filter((key) => a.get(key) !== b.get(key))
    .map((key) => ({ key, first: a.get(key) ?? '—', second: b.get(key) ?? '—' }));
}

/** A metric of each sample, averaged over the cells (seeds) that hold it. */
function perSample(store: Store, cells: readonly CellSummary[], metric: string): Map<string, number> {
  const values = new Map<string, number[]>();
  for (const cell of cells) {
    for (const { sampleId, metrics } of store.samples(cell.id)) {
      const value = metrics[metric];
      if (value !== undefined) values.set(sampleId, [...(values.get(sampleId) ?? []), value]);
    }
  }
  return new Map([...values].map(([id, list]) => [id, mean(list)]));
}

function pairs(a: Map<string, number>, b: Map<string, number>): [number, number][] {
  return [...a].filter(([id]) => b.has(id)).map(([id, value]) => [value, b.get(id)!]);
}

function compareCells(
  store: Store,
  label: string,
  first: CellSummary[],
  second: CellSummary[],
): Comparison | undefined {
  const accuracy = pairs(perSample(store, first, 'accuracy'), perSample(store, second, 'accuracy'));
  if (accuracy.length === 0) return undefined;
  const f1 = pairs(perSample(store, first, 'f1'), perSample(store, second, 'f1'));
  const single = first.length === 1 && second.length === 1;
  const onlyFirst = accuracy.filter(([a, b]) => a > b).length;
  const onlySecond = accuracy.filter(([a, b]) => b > a).length;
  return {
    cell: label,
    n: accuracy.length,
    accuracyFirst: mean(accuracy.map(([a]) => a)),
    accuracySecond: mean(accuracy.map(([, b]) => b)),
    accuracyP: single ? mcnemar(onlyFirst, onlySecond) : pairedBootstrap(accuracy.map(([a, b]) => b - a)).p,
    accuracyTest: single ? 'McNemar' : 'paired bootstrap',
    f1Difference: pairedBootstrap(f1.map(([a, b]) => b - a)),
  };
}

export function compareRuns(
  db: string,
  firstIds: readonly string[],
  secondIds: readonly string[],
): { value: { differences: ReturnType<typeof differingKeys>; comparisons: Comparison[] }; text: string } {
  const store = Store.open(db);
  try {
    const first = firstIds.map((id) => store.run(id));
    const second = secondIds.map((id) => store.run(id));
    const differences = differingKeys(first[0]!.config, second[0]!.config);
    const cellsOf = (runs: typeof first): Map<string, CellSummary[]> => {
      const groups = new Map<string, CellSummary[]>();
      for (const cell of store.cellSummaries(runs.map((run) => run.id))) {
        const label = `${cell.task} · ${cell.method} · ${cell.budgetLabel}`;
        groups.set(label, [...(groups.get(label) ?? []), cell]);
      }
      return groups;
    };
    const a = cellsOf(first);
    const b = cellsOf(second);
    const comparisons = [...a]
      .map(([label, cells]) => compareCells(store, label, cells, b.get(label) ?? []))
      .filter((comparison) => comparison !== undefined);
    if (comparisons.length === 0) {
      throw new UserError('nothing-to-compare', 'the runs share no sample of the same method and budget', {
        exitCode: 1,
      });
    }
    const table: Table = {
      title: 'Second against first, paired by sample',
      columns: [
        { key: 'cell', label: 'cell', align: 'left' },
        { key: 'n', label: 'pairs', align: 'right' },
        { key: 'first', label: 'accuracy % first', align: 'right' },
        { key: 'second', label: 'second', align: 'right' },
        { key: 'p', label: 'p', align: 'right' },
        { key: 'f1', label: 'F1 difference (95 %)', align: 'right' },
        { key: 'f1p', label: 'p', align: 'right' },
      ],
      rows: comparisons.map((c) => ({
        cell: c.cell,
        n: `${c.n}`,
        first: { value: 100 * c.accuracyFirst, digits: 1 },
        second: { value: 100 * c.accuracySecond, digits: 1 },
        p: { value: c.accuracyP, digits: 4 },
        f1: `${(100 * c.f1Difference.mean).toFixed(1)} (${(100 * c.f1Difference.low).toFixed(1)} to ${(100 * c.f1Difference.high).toFixed(1)})`,
        f1p: { value: c.f1Difference.p, digits: 4 },
      })),
      notes: [`accuracy: ${comparisons[0]!.accuracyTest}, two-sided; F1: paired bootstrap.`],
    };
    const changed = differences.map(({ key, first: x, second: y }) => `  ${key}: ${x} → ${y}`);
    const text = [
      'What differs:',
      ...(changed.length === 0 ? ['  nothing'] : changed),
      writers.get('terminal').write(table),
    ];
    return { value: { differences, comparisons }, text: text.join('\n') };
  } finally {
    store.close();
  }
}
