/** Model × method × budget: the table that every evaluation ends with. */
import type { CellSummary } from '../store/store.js';
import { average, figure, groupCells, newestPerSeed } from './groups.js';
import type { Cell, Column, Table } from './table.js';

const MARKS: readonly [key: string, label: string][] = [
  ['accuracy', 'accuracy %'],
  ['exact_match', 'EM %'],
  ['f1', 'F1 %'],
  ['agreement', 'top-1 agreement %'],
];

function percent(share: { value: number; stderr: number } | undefined): Cell {
  return share === undefined ? null : { value: 100 * share.value, stderr: 100 * share.stderr, digits: 1 };
}

/** Rows for all given cells; seeds are averaged, and what was run twice counts once. */
export function comparison(cells: readonly CellSummary[], title = 'Comparison'): Table {
  const marks = MARKS.filter(([key]) => cells.some((cell) => key in cell.metrics));
  const right = (key: string, label: string): Column => ({ key, label, align: 'right' });
  const columns: Column[] = [
    { key: 'model', label: 'model', align: 'left' },
    { key: 'task', label: 'task', align: 'left' },
    { key: 'method', label: 'method', align: 'left' },
    right('budget', 'retention'),
    ...marks.map(([key, label]) => right(key, label)),
    right('kl', 'KL nats'),
    right('perplexity', 'perplexity'),
    right('tokens', 'tokens kept'),
    right('bytes', 'cache bytes'),
    { key: 'eviction', label: 'rows', align: 'left' },
    right('compress', 'compress ms'),
    right('n', 'n'),
    right('seeds', 'seeds'),
  ];
  const rows = groupCells(cells).map((group) => {
    const chosen = newestPerSeed(group);
    const metric = (name: string): Cell => {
      const values = chosen.filter((cell) => cell.metrics[name] !== undefined);
      return values.length === 0
        ? null
        : { value: average(values, (cell) => cell.metrics[name]!), digits: 3 };
    };
    const nll = metric('nll');
    const mean = (pick: (cell: CellSummary) => number): number => average(chosen, pick);
    return {
      model: group.model,
      task: group.task,
      method: group.method,
      budget: group.budgetLabel,
      ...Object.fromEntries(marks.map(([key]) => [key, percent(figure(chosen, key))])),
      kl: metric('kl'),
      perplexity: nll !== null && typeof nll === 'object' ? { value: Math.exp(nll.value), digits: 3 } : null,
      tokens: `${mean((c) => c.keptTokens).toFixed(1)} of ${mean((c) => c.contextTokens).toFixed(1)}`,
      bytes: `${Math.round(mean((c) => c.bytesBefore))} → ${Math.round(mean((c) => c.bytesAfter))}`,
      eviction: chosen.every((cell) => cell.eviction === 'real') ? 'real' : 'masked',
      compress: { value: 1000 * mean((c) => c.compressSeconds), digits: 2 },
      n: `${chosen.reduce((sum, cell) => sum + cell.n, 0)}`,
      seeds: `${chosen.length}`,
    };
  });
  return {
    title,
    columns,
    rows,
    notes: [
      'retention = share of rows kept = rows kept / context tokens; ± one standard error (over samples, or over seeds where larger).',
      'KL and perplexity are of the reference answer or continuation, KL to the uncompressed model; cache bytes count keys and values of KV heads in float32, averaged over samples.',
    ],
  };
}
