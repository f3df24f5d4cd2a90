/** The paper's Table 2, ours and theirs: models × {uncompressed, kvd, h2a, h2i} × {25 %, 20 %}. */
import { canonicalJson } from '../base/hash.js';
import type { CellSummary } from '../store/store.js';
import { figure, groupCells, newestPerSeed, type Group } from './groups.js';
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

/** What was asked: cells may stand in one table only where this is the same. */
function questionsOf({ task, split, variant }: Group): string {
  return canonicalJson([task, split, variant.task_version, variant.evaluation]);
}

function newestCell({ cells }: Group): number {
  return Math.max(...cells.map(({ id }) => id));
}

/**
 * The groups that the table is made of, by model, method and retention: of one set of questions, the one with
 * the most of the table's cells (of several, the newest), and of several variants the newest.
 */
function choose(cells: readonly CellSummary[]): { chosen: Map<string, Group>; others: number } {
  const wanted = new Set(ROWS.map(([method, retention]) => `${method}/${retention}`));
  const sets = new Map<string, { chosen: Map<string, Group>; newest: number }>();
  const groups = groupCells(cells).filter(
    (group) => wanted.has(`${group.method}/${group.retention}`) && group.cells.some(hasAccuracy),
  );
  for (const group of groups.sort((a, b) => newestCell(a) - newestCell(b))) {
    const set = sets.get(questionsOf(group)) ?? { chosen: new Map<string, Group>(), newest: 0 };
    set.chosen.set(`${group.model}/${group.method}/${group.retention}`, group);
    set.newest = newestCell(group);
    sets.set(questionsOf(group), set);
  }
  const [best, ...others] = [...sets.values()].sort(
    (a, b) => b.chosen.size - a.chosen.size || b.newest - a.newest,
  );
  return { chosen: best?.chosen ?? new Map<string, Group>(), others: others.length };
}

function hasAccuracy(cell: CellSummary): boolean {
  return cell.metrics.accuracy !== undefined;
}

/** Accuracy of each chosen group in points. */
function figuresOf(chosen: ReadonlyMap<string, Group>): Map<string, Figure> {
  return new Map(
    [...chosen].map(([key, group]) => {
      const { value, stderr } = figure(newestPerSeed(group), 'accuracy')!;
      return [key, { value: 100 * value, stderr: 100 * stderr }];
    }),
  );
}

/** What the numbers rest on, in words. */
function origin(chosen: ReadonlyMap<string, Group>, others: number): string[] {
  const used = [...chosen.values()].flatMap(newestPerSeed);
  if (used.length === 0) return ['Nothing of ours is stored yet.'];
  const { task, split } = [...chosen.values()][0]!;
  const counts = [...new Set(used.map(({ n }) => n))].sort((a, b) => a - b);
  const seeds = [...new Set(used.map(({ seed }) => seed))].sort((a, b) => a - b);
  const unfinished = used.some(({ runStatus }) => runStatus !== 'finished');
  return [
    `Ours: task ${task}, split ${split}, ${counts.join(' to ')} questions a cell, seed ${seeds.join(', ')}; runs ${[...new Set(used.map(({ runId }) => runId))].join(', ')}.`,
    ...(others > 0 ? ['Other evaluations are stored too, of other questions; choose with --run.'] : []),
    ...(unfinished ? ['Some of these runs have not ended, or were interrupted or failed.'] : []),
  ];
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
  const { chosen, others } = choose(cells);
  const ours = figuresOf(chosen);
  const models = [...new Set([...chosen.values()].map(({ model }) => model))];
  const published = readPublished().table2_squad.rows;
  const paperModels = [...new Set(published.map((row) => row.model))];
  const overModels = (method: string, retention: number): Figure | undefined =>
    averageOf(models.map((model) => ours.get(`${model}/${method}/${retention}`)));
  const cell = (given: Figure | undefined, uncompressed: Figure | undefined): Cell => {
    if (given === undefined) return null;
    const { value, stderr } = given;
    const compared = uncompressed !== undefined && uncompressed !== given;
    return { value, stderr, digits: 1, ...(compared && { delta: value - uncompressed.value }) };
  };
  const paper = (model: string, method: string, retention: number): Figure | undefined =>
    published.find(
      (row) =>
        row.model === model && row.method === (PAPER_NAMES[method] ?? method) && row.retention === retention,
    );
  const full = overModels('full', 1);
  const average =
    models.length > 1 ? [{ key: 'average', label: 'ours, average', align: 'right' as const }] : [];
  const rows = ROWS.map(([method, retention]) => ({
    method,
    retention: `${100 * retention} %`,
    ...Object.fromEntries(
      models.map((model) => [
        `ours/${model}`,
        cell(ours.get(`${model}/${method}/${retention}`), ours.get(`${model}/full/1`)),
      ]),
    ),
    average: cell(overModels(method, retention), method === 'full' ? undefined : full),
    ...Object.fromEntries(
      paperModels.map((model) => [
        `paper/${model}`,
        cell(paper(model, method, retention), paper(model, 'full', 1)),
      ]),
    ),
  }));
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
        "± one standard error (in averages the models' errors are taken as independent); in parentheses the difference to uncompressed, in points. h2a looks at the question before compressing; kvd and h2i do not.",
        ...origin(chosen, others),
        ...verdicts,
      ],
    },
  };
}
