/** What a section is built from: cells of the store, their samples, and how adapters were trained. */
import { canonicalJson } from '../base/hash.js';
import type { CellSummary, RunRow, SampleRow, Store } from '../store/store.js';
import { figure, groupCells, newestPerSeed, type Group } from './groups.js';
import type { Measurement } from './table.js';

/** A resolved configuration, as a run stores it. */
export type Config = Record<string, Record<string, unknown> | undefined>;

export interface Training {
  run: RunRow;
  metrics: readonly { step: number; name: string; value: number }[];
}

export interface Evidence {
  cells: readonly CellSummary[];
  trainings: readonly Training[];
  /** Resolved experiments of the section, whether they were run or not. */
  configurations: readonly Config[];
  /** Samples of a cell by their ids. */
  samples(cell: CellSummary): ReadonlyMap<string, SampleRow>;
}

/** Which runs a section rests on; all of the store where nothing is said. */
export interface Runs {
  evaluations?: readonly string[] | undefined;
  trainings?: readonly string[] | undefined;
  configurations?: readonly Config[] | undefined;
}

export function evidenceOf(store: Store, runs: Runs = {}): Evidence {
  const cells = store.cellSummaries(runs.evaluations);
  const trained = store.listRuns({ kind: 'train' }).filter(({ id }) => runs.trainings?.includes(id) ?? true);
  const known = new Map<number, ReadonlyMap<string, SampleRow>>();
  return {
    cells,
    trainings: trained.map((run) => ({ run, metrics: store.metrics(run.id) })),
    configurations: runs.configurations ?? cells.map(({ config }) => config as Config),
    samples: ({ id }) => {
      const samples = known.get(id) ?? new Map(store.samples(id).map((sample) => [sample.sampleId, sample]));
      known.set(id, samples);
      return samples;
    },
  };
}

/** Cells to choose; what is left out may be anything. */
export interface Wanted {
  method: string;
  tasks?: readonly string[];
  model?: string;
  retention?: number;
  where?: (config: Config) => boolean;
}

function newest(cells: readonly CellSummary[]): number {
  return Math.max(...cells.map(({ id }) => id));
}

/** The newest measurement of what is wanted: one cell a seed; empty where there is none. */
export function pick(evidence: Evidence, wanted: Wanted): CellSummary[] {
  const groups = groupCells(
    evidence.cells.filter(
      (cell) =>
        cell.method === wanted.method &&
        (wanted.tasks?.includes(cell.task) ?? true) &&
        (wanted.model === undefined || cell.model === wanted.model) &&
        (wanted.retention === undefined || cell.retention === wanted.retention) &&
        (wanted.where?.(cell.config as Config) ?? true),
    ),
  );
  const [chosen] = groups.sort((a, b) => newest(b.cells) - newest(a.cells));
  return chosen === undefined ? [] : newestPerSeed(chosen);
}

/** `run/cell` of each cell. */
export function sourcesOf(cells: readonly CellSummary[]): string[] {
  return cells.map(({ runId, id }) => `${runId}/${id}`);
}

/** A metric of some cells; a share is given in points of a hundred. */
export function measurement(
  cells: readonly CellSummary[],
  metric: string,
  { scale = 100, digits = 1 }: { scale?: number; digits?: number } = {},
): Measurement | undefined {
  const measured = figure(cells, metric);
  if (measured === undefined) return undefined;
  const { value, stderr } = measured;
  return { value: scale * value, stderr: scale * stderr, digits, sources: sourcesOf(cells) };
}

/** Retention ratios at which a method was measured, greatest first. */
export function retentions(cells: readonly CellSummary[], method?: string): number[] {
  const found = cells
    .filter((cell) => method === undefined || cell.method === method)
    .map(({ retention }) => retention)
    .filter((retention) => retention !== null);
  return [...new Set(found)].sort((a, b) => b - a);
}

/** A ratio as text: `0.2` is `20 %`. */
export function percent(retention: number): string {
  return `${Number((100 * retention).toPrecision(12))} %`;
}

/** What was asked: cells may be compared only where this is the same. */
function questionsOf({ task, split, variant }: Group): string {
  return canonicalJson([task, split, variant.task_version, variant.evaluation]);
}

/**
 * The part of `evidence` that is about one set of questions of the given tasks: the one of which most was measured,
 * of several the newest. `others` is how many sets were left out.
 */
export function sameQuestions(
  evidence: Evidence,
  tasks: readonly string[],
): { evidence: Evidence; others: number } {
  const sets = new Map<string, { cells: CellSummary[]; measured: Set<string> }>();
  for (const group of groupCells(evidence.cells.filter(({ task }) => tasks.includes(task)))) {
    const key = questionsOf(group);
    const set = sets.get(key) ?? { cells: [], measured: new Set() };
    set.cells.push(...group.cells);
    set.measured.add(`${group.model}/${group.method}/${group.budgetLabel}`);
    sets.set(key, set);
  }
  const [best, ...others] = [...sets.values()].sort(
    (a, b) => b.measured.size - a.measured.size || newest(b.cells) - newest(a.cells),
  );
  return { evidence: { ...evidence, cells: best?.cells ?? [] }, others: others.length };
}

/** What a section's numbers rest on, in words. */
export function origin(cells: readonly CellSummary[], others = 0): string[] {
  if (cells.length === 0) return [];
  const distinct = <T>(pick: (cell: CellSummary) => T): T[] => [...new Set(cells.map(pick))].sort();
  const counts = [...new Set(cells.map(({ n }) => n))].sort((a, b) => a - b);
  const unfinished = cells.some(({ runStatus }) => runStatus !== 'finished');
  return [
    `Ours: task ${distinct(({ task }) => task).join(', ')}, split ${distinct(({ split }) => split).join(', ')}, ${counts.join(' or ')} questions a cell, seed ${distinct(({ seed }) => seed).join(', ')}.`,
    ...(others > 0 ? ['Other evaluations are stored too, of other questions; choose with --run.'] : []),
    ...(unfinished ? ['Some of these runs have not ended, or were interrupted or failed.'] : []),
  ];
}
