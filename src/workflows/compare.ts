/** `kvd runs compare`: paired tests between two evaluations, or two groups of seeds. */
import { UserError } from '../base/errors.js';
import { metrics as marks } from '../evaluation/metrics/index.js';
import { mcnemar, mean, pairedBootstrap } from '../evaluation/statistics.js';
import type { Table } from '../reports/table.js';
import { writers } from '../reports/writers/index.js';
import { Store, type CellSummary } from '../store/store.js';

/** One metric of one cell, paired by sample. */
export interface MetricComparison {
  metric: string;
  /** Pairs. */
  n: number;
  /** Means. */
  first: number;
  second: number;
  /** Second less first, with its 95 % interval by paired bootstrap. */
  difference: { mean: number; low: number; high: number };
  /** Two-sided, by `test`. */
  p: number;
  /** McNemar's exact test for marks of 0 and 1; the bootstrap for all others, as for several seeds averaged. */
  test: 'McNemar' | 'paired bootstrap';
}

export interface Comparison {
  cell: string;
  /** In the order in which the task gives its marks. */
  metrics: MetricComparison[];
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

/** One metric of pairs, the first side before the second. */
export function compareMetric(metric: string, paired: readonly [number, number][]): MetricComparison {
  const { p, ...difference } = pairedBootstrap(paired.map(([a, b]) => b - a));
  const binary = paired.flat().every((mark) => mark === 0 || mark === 1);
  const onlyFirst = paired.filter(([a, b]) => a > b).length;
  const onlySecond = paired.filter(([a, b]) => b > a).length;
  return {
    metric,
    n: paired.length,
    first: mean(paired.map(([a]) => a)),
    second: mean(paired.map(([, b]) => b)),
    difference,
    p: binary ? mcnemar(onlyFirst, onlySecond) : p,
    test: binary ? 'McNemar' : 'paired bootstrap',
  };
}

/** Every metric that samples of both sides have. */
function compareCells(
  store: Store,
  label: string,
  first: readonly CellSummary[],
  second: readonly CellSummary[],
): Comparison | undefined {
  const names = [...new Set([...first, ...second].flatMap((cell) => Object.keys(cell.metrics)))];
  const metrics = inTaskOrder(names).flatMap((name) => {
    const paired = pairs(perSample(store, first, name), perSample(store, second, name));
    return paired.length === 0 ? [] : [compareMetric(name, paired)];
  });
  return metrics.length === 0 ? undefined : { cell: label, metrics };
}

/** Marks of answers first, as the registry lists them; then the measures in nats. */
function inTaskOrder(names: readonly string[]): string[] {
  const known = Object.keys(marks);
  const place = (name: string): number => (known.includes(name) ? known.indexOf(name) : known.length);
  return [...names].sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
}

function row(cell: string, c: MetricComparison): Table['rows'][number] {
  const scale = c.metric in marks ? 100 : 1;
  const digits = c.metric in marks ? 1 : 4;
  const show = (value: number): string => (scale * value).toFixed(digits);
  const { mean: by, low, high } = c.difference;
  return {
    cell,
    metric: c.metric in marks ? `${c.metric} %` : c.metric,
    n: `${c.n}`,
    first: { value: scale * c.first, digits },
    second: { value: scale * c.second, digits },
    difference: `${show(by)} (${show(low)} to ${show(high)})`,
    p: { value: c.p, digits: 4 },
    test: c.test,
  };
}

/** Comparisons as a table. */
export function comparisonTable(comparisons: readonly Comparison[]): Table {
  return {
    title: 'Second against first, paired by sample',
    columns: [
      { key: 'cell', label: 'cell', align: 'left' },
      { key: 'metric', label: 'metric', align: 'left' },
      { key: 'n', label: 'pairs', align: 'right' },
      { key: 'first', label: 'first', align: 'right' },
      { key: 'second', label: 'second', align: 'right' },
      { key: 'difference', label: 'difference (95 %)', align: 'right' },
      { key: 'p', label: 'p', align: 'right' },
      { key: 'test', label: 'test', align: 'left' },
    ],
    rows: comparisons.flatMap(({ cell, metrics }) => metrics.map((metric) => row(cell, metric))),
    notes: ['p is two-sided; the intervals are those of a paired bootstrap.'],
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
    const table = comparisonTable(comparisons);
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
