/** Cells that differ by nothing but their seed, as one measurement with an error bar. */
import { canonicalJson } from '../base/hash.js';
import type { CellSummary } from '../store/store.js';
import { differences } from './differences.js';

export interface Group {
  model: string;
  method: string;
  task: string;
  split: string;
  budgetLabel: string;
  retention: number | null;
  /** What else decides the numbers, the seed apart. */
  variant: Variant;
  cells: CellSummary[];
}

interface Variant {
  options: unknown;
  task_version: number;
  evaluation: unknown;
  training?: unknown;
}

type Config = Record<string, Record<string, unknown> | undefined>;

/** Options of the method, what was asked, and for a trained method how it was trained. */
function variantOf(cell: CellSummary): Variant {
  const { method, training, data, evaluation } = cell.config as Config;
  const { task_options, limit, max_new_tokens, fold_tokens } = evaluation ?? {};
  const { output_dir: _folder, save_steps: _often, init_adapter, ...own } = training ?? {};
  const trained = { ...own, ...(init_adapter !== undefined && { continued: true }) };
  const how = training === undefined ? { adapter: cell.adapterHash } : { ...trained, method, data };
  return {
    options: JSON.parse(cell.methodOptions) as unknown,
    task_version: cell.taskVersion,
    evaluation: { task_options, limit, max_new_tokens, fold_tokens },
    ...(cell.adapterHash !== null && { training: how }),
  };
}

/** The adapter that a cell's own went on from. */
function parentOf({ config }: CellSummary): unknown {
  return (config as Config).training?.init_adapter;
}

/**
 * A group as it is, where each seed went on from one adapter (of its own, usually); else one for each of these adapters.
 */
function byParents(group: Group): Group[] {
  const parents = new Set(group.cells.map(parentOf));
  const pairs = new Set(group.cells.map((cell) => canonicalJson([cell.seed, parentOf(cell) ?? null])));
  if (pairs.size === new Set(group.cells.map(({ seed }) => seed)).size) return [group];
  return [...parents].map((parent) => ({
    ...group,
    variant: { ...group.variant, training: { ...(group.variant.training as object), init_adapter: parent } },
    cells: group.cells.filter((cell) => parentOf(cell) === parent),
  }));
}

/** Groups in the order in which their first cells were made. */
export function groupCells(cells: readonly CellSummary[]): Group[] {
  const groups = new Map<string, Group>();
  for (const cell of cells) {
    const { model, method, task, split, budgetLabel, retention } = cell;
    const variant = variantOf(cell);
    const key = canonicalJson([model, method, task, split, cell.budget, variant]);
    const group = groups.get(key) ?? {
      model,
      method,
      task,
      split,
      budgetLabel,
      retention,
      variant,
      cells: [],
    };
    group.cells.push(cell);
    groups.set(key, group);
  }
  return [...groups.values()].flatMap(byParents);
}

/** What sets each group apart from others of the same model, task, method and budget; '' where nothing must. */
export function distinctions(groups: readonly Group[]): string[] {
  const alike = new Map<string, number[]>();
  groups.forEach(({ model, task, method, budgetLabel }, i) => {
    const label = JSON.stringify([model, task, method, budgetLabel]);
    alike.set(label, [...(alike.get(label) ?? []), i]);
  });
  const texts = groups.map(() => '');
  for (const members of alike.values()) {
    const wholes = members.map((i) => ({ split: groups[i]!.split, ...groups[i]!.variant }));
    for (const { key, values } of differences(wholes)) {
      const name = key.split('.').at(-1)!;
      members.forEach((i, at) => {
        texts[i] += `${texts[i] === '' ? '' : ', '}${name}=${values[at] ?? '—'}`;
      });
    }
  }
  return texts;
}

/** One cell of each seed: what was evaluated again replaces what was before, unless it is not finished. */
export function newestPerSeed(group: Group): CellSummary[] {
  const bySeed = new Map<number, CellSummary>();
  for (const cell of group.cells) {
    const known = bySeed.get(cell.seed);
    if (cell.runStatus === 'finished' || known?.runStatus !== 'finished') bySeed.set(cell.seed, cell);
  }
  return [...bySeed.values()];
}

/**
 * A metric over a group: over several seeds their mean with the larger of two errors, over the seeds and over
 * the samples (not divided by the seeds: all are asked the same questions); over one seed the error over its
 * samples.
 */
export function figure(
  cells: readonly CellSummary[],
  metric: string,
): { value: number; stderr: number } | undefined {
  const measured = cells.filter((cell) => cell.metrics[metric] !== undefined);
  if (measured.length === 0) return undefined;
  const values = measured.map((cell) => cell.metrics[metric]!);
  const count = values.length;
  const value = values.reduce((a, b) => a + b, 0) / count;
  const overSamples = average(measured, (cell) => cell.stderrs[metric] ?? 0);
  if (count === 1) return { value, stderr: overSamples };
  const overSeeds = Math.sqrt(values.reduce((sum, v) => sum + (v - value) ** 2, 0) / (count - 1) / count);
  return { value, stderr: Math.max(overSeeds, overSamples) };
}

export function average(cells: readonly CellSummary[], pick: (cell: CellSummary) => number): number {
  return cells.reduce((sum, cell) => sum + pick(cell), 0) / cells.length;
}
