/** The paper's Table 2, ours and theirs: models × {uncompressed, kvd, h2a, h2i} × {25 %, 20 %}. */
import type { CellSummary } from '../store/store.js';
import { figure, groupCells, newestPerSeed } from './groups.js';
import { readPublished } from './published.js';
import type { Cell, Table } from './table.js';

interface Figure {
  value: number;
  stderr: number;
}

const ROWS: readonly [method: string, retention: number][] = [
  ['full', 1],
  ['kvd', 0.25],
  ['kvd', 0.2],
  ['h2a', 0.25],
  ['h2a', 0.2],
  ['h2i', 0.25],
  ['h2i', 0.2],
];
/** The paper calls the uncompressed model "base". */
const PAPER_NAMES: Readonly<Record<string, string>> = { full: 'base' };

/** Accuracy in points of each model, method and retention. */
function figures(cells: readonly CellSummary[]): Map<string, Figure> {
  const found = new Map<string, Figure>();
  for (const group of groupCells(cells)) {
    const accuracy = figure(newestPerSeed(group), 'accuracy');
    if (accuracy !== undefined) {
      found.set(`${group.model}/${group.method}/${group.retention}`, {
        value: 100 * accuracy.value,
        stderr: 100 * accuracy.stderr,
      });
    }
  }
  return found;
}

/** Mean over models and its error from the models' own errors; undefined where one is missing. */
function averageOf(values: readonly (Figure | undefined)[]): Figure | undefined {
  const known = values.filter((value) => value !== undefined);
  if (known.length === 0 || known.length < values.length) return undefined;
  return {
    value: known.reduce((sum, { value }) => sum + value, 0) / known.length,
    stderr: Math.sqrt(known.reduce((sum, { stderr }) => sum + stderr ** 2, 0)) / known.length,
  };
}

/** `a` − `b` against a bar, in words; errors are taken as independent, which is on the safe side for paired samples. */
function verdict(claim: string, a: Figure | undefined, b: Figure | undefined, bar: number): string {
  if (a === undefined || b === undefined) return `${claim}: not measured`;
  const difference = a.value - b.value;
  const stderr = Math.hypot(a.stderr, b.stderr);
  const holds = difference >= bar ? 'holds' : 'does not hold';
  return `${claim}: ${holds} (difference ${difference.toFixed(1)} ± ${stderr.toFixed(1)} points)`;
}

export interface Table2 {
  table: Table;
  verdicts: string[];
}

/** @param cells summaries of the evaluations that belong to the table */
export function table2(cells: readonly CellSummary[]): Table2 {
  const ours = figures(cells);
  const models = [...new Set(cells.map((cell) => cell.model))];
  const published = readPublished().table2_squad.rows;
  const paperModels = [...new Set(published.map((row) => row.model))];
  const overModels = (method: string, retention: number): Figure | undefined =>
    averageOf(models.map((model) => ours.get(`${model}/${method}/${retention}`)));
  const cell = (given: Figure | undefined): Cell =>
    given === undefined ? null : { value: given.value, stderr: given.stderr, digits: 1 };
  const average =
    models.length > 1 ? [{ key: 'average', label: 'ours, average', align: 'right' as const }] : [];
  const rows = ROWS.map(([method, retention]) => ({
    method,
    retention: `${100 * retention} %`,
    ...Object.fromEntries(
      models.map((model) => [`ours/${model}`, cell(ours.get(`${model}/${method}/${retention}`))]),
    ),
    average: cell(overModels(method, retention)),
    ...Object.fromEntries(
      paperModels.map((model) => {
        const row = published.find(
          (candidate) =>
            candidate.model === model &&
            candidate.method === (PAPER_NAMES[method] ?? method) &&
            candidate.retention === retention,
        );
        return [`paper/${model}`, cell(row)];
      }),
    ),
  }));
  const full = overModels('full', 1);
  const verdicts = [
    verdict('kvd at 25 % within 2 points of uncompressed', overModels('kvd', 0.25), full, -2),
    verdict('kvd at 20 % within 3 points of uncompressed', overModels('kvd', 0.2), full, -3),
    verdict(
      'kvd at 20 % above h2i by at least 20 points',
      overModels('kvd', 0.2),
      overModels('h2i', 0.2),
      20,
    ),
    verdict('kvd at 20 % not below h2a', overModels('kvd', 0.2), overModels('h2a', 0.2), 0),
  ];
  return {
    verdicts,
    table: {
      title: 'Table 2: extractive question answering, accuracy in %',
      columns: [
        { key: 'method', label: 'method', align: 'left' },
        { key: 'retention', label: 'retention', align: 'right' },
        ...models.map((model) => ({
          key: `ours/${model}`,
          label: `ours: ${model}`,
          align: 'right' as const,
        })),
        ...average,
        ...paperModels.map((model) => ({
          key: `paper/${model}`,
          label: `paper: ${model}`,
          align: 'right' as const,
        })),
      ],
      rows,
      notes: [
        'Columns "paper" are the published numbers of arXiv 2503.10337 on SQuAD with other, far larger models: compare the shape, not the values.',
        '± one standard error. h2a looks at the question before compressing; kvd and h2i do not.',
        ...verdicts,
      ],
    },
  };
}
