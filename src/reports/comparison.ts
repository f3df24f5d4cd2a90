/** Model × method × budget: the table that every evaluation ends with. */
import type { CellSummary } from '../store/store.js';
import { average, distinctions, figure, groupCells, newestPerSeed } from './groups.js';
import type { Cell, Column, Table } from './table.js';

const MARKS: readonly [key: string, label: string][] = [
  ['accuracy', 'accuracy %'],
  ['letter_accuracy', 'letter %'],
  ['choice_accuracy', 'choice %'],
  ['choice_accuracy_norm', 'choice norm %'],
  ['exact_match', 'EM %'],
  ['f1', 'F1 %'],
  ['rougeL', 'ROUGE-L'],
  ['rouge1', 'ROUGE-1'],
  ['rouge2', 'ROUGE-2'],
  ['rougeLsum', 'ROUGE-Lsum'],
  ['rougeL_mean', 'ROUGE-L mean'],
  ['agreement', 'top-1 agreement %'],
];

function percent(share: { value: number; stderr: number } | undefined): Cell {
  return share === undefined ? null : { value: 100 * share.value, stderr: 100 * share.stderr, digits: 1 };
}

function evictionOf(cells: readonly CellSummary[]): string {
  return [...new Set(cells.map(({ eviction }) => eviction))].sort().join(', ');
}

/** Rows for all given cells; seeds are averaged, and what was run twice counts once. */
export function comparison(cells: readonly CellSummary[], title = 'Comparison'): Table {
  const marks = MARKS.filter(([key]) => cells.some((cell) => key in cell.metrics));
  const groups = groupCells(cells);
  const variants = distinctions(groups);
  const right = (key: string, label: string): Column => ({ key, label, align: 'right' });
  const left = (key: string, label: string): Column => ({ key, label, align: 'left' });
  const columns: Column[] = [
    left('model', 'model'),
    left('task', 'task'),
    left('method', 'method'),
    ...(variants.some((variant) => variant !== '') ? [left('variant', 'variant')] : []),
    right('budget', 'retention'),
    ...marks.map(([key, label]) => right(key, label)),
    right('kl', 'KL nats'),
    right('perplexity', 'perplexity'),
    right('kept', 'rows kept'),
    right('context', 'of'),
    right('before', 'bytes before'),
    right('after', 'after'),
    left('eviction', 'rows'),
    right('compress', 'compress ms'),
    right('generate', 'generate ms'),
    right('n', 'n'),
    right('seeds', 'seeds'),
    { ...left('runs', 'runs'), dataOnly: true },
  ];
  let unfinished = false;
  const rows = groups.map((group, i) => {
    const chosen = newestPerSeed(group);
    const complete = chosen.every((cell) => cell.runStatus === 'finished');
    unfinished ||= !complete;
    const mean = (digits: number, pick: (cell: CellSummary) => number): Cell => ({
      value: average(chosen, pick),
      digits,
    });
    const kl = figure(chosen, 'kl');
    const nll = figure(chosen, 'nll');
    return {
      model: group.model,
      task: group.task,
      method: group.method,
      variant: variants[i]!,
      budget: group.budgetLabel,
      ...Object.fromEntries(marks.map(([key]) => [key, percent(figure(chosen, key))])),
      kl: kl === undefined ? null : { ...kl, digits: 3 },
      perplexity: nll === undefined ? null : { value: Math.exp(nll.value), digits: 3 },
      kept: mean(1, (cell) => cell.keptTokens),
      context: mean(1, (cell) => cell.contextTokens),
      before: mean(0, (cell) => cell.bytesBefore),
      after: mean(0, (cell) => cell.bytesAfter),
      eviction: evictionOf(chosen),
      compress: mean(2, (cell) => 1000 * cell.compressSeconds),
      generate: mean(2, (cell) => 1000 * cell.generateSeconds),
      n: `${chosen.reduce((sum, cell) => sum + cell.n, 0)}${complete ? '' : ' so far'}`,
      seeds: { value: chosen.length, digits: 0 },
      runs: [...new Set(chosen.map((cell) => cell.runId))].join(' '),
    };
  });
  return {
    title,
    columns,
    rows,
    notes: [
      'retention = share of rows kept = rows kept / context tokens; ± one standard error (over samples, or over seeds where larger).',
      'KL and perplexity are of the reference answer or continuation, KL to the uncompressed model; cache bytes count keys and values of KV heads in float32, averaged over samples.',
      ...(unfinished ? ['so far: the run has not ended, or was interrupted or failed.'] : []),
    ],
  };
}
