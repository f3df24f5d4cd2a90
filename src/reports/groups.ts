/** Cells that differ by nothing but their seed, as one measurement with an error bar. */
import type { CellSummary } from '../store/store.js';

export interface Group {
  model: string;
  method: string;
  methodOptions: string;
  task: string;
  budgetLabel: string;
  retention: number | null;
  cells: CellSummary[];
}

/** Groups in the order in which their first cells were made. */
export function groupCells(cells: readonly CellSummary[]): Group[] {
  const groups = new Map<string, Group>();
  for (const cell of cells) {
    const { model, method, methodOptions, task, budgetLabel, retention } = cell;
    const key = JSON.stringify([model, method, methodOptions, task, cell.split, cell.budget]);
    const group = groups.get(key) ?? {
      model,
      method,
      methodOptions,
      task,
      budgetLabel,
      retention,
      cells: [],
    };
    group.cells.push(cell);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** The newest cell of each seed only: what was evaluated again replaces what was before. */
export function newestPerSeed(group: Group): CellSummary[] {
  return [...new Map(group.cells.map((cell) => [cell.seed, cell])).values()];
}

/**
 * A metric over a group: over several seeds their mean with the larger of two errors, over the seeds and over
 * the samples; over one seed the error over its samples.
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
  const overSamples =
    Math.sqrt(measured.reduce((sum, cell) => sum + (cell.stderrs[metric] ?? 0) ** 2, 0)) / count;
  if (count === 1) return { value, stderr: overSamples };
  const overSeeds = Math.sqrt(values.reduce((sum, v) => sum + (v - value) ** 2, 0) / (count - 1) / count);
  return { value, stderr: Math.max(overSeeds, overSamples) };
}

export function average(cells: readonly CellSummary[], pick: (cell: CellSummary) => number): number {
  return cells.reduce((sum, cell) => sum + pick(cell), 0) / cells.length;
}
