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
    const group = groups.get(key) ?? { model, method, methodOptions, task, budgetLabel, retention, cells: [] };
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
 * A proportion over a group: over several seeds their mean and its standard error, over one seed the
 * binomial error of its samples.
 */
export function proportion(cells: readonly CellSummary[], metric: string): { value: number; stderr: number } | undefined {
  const values = cells.map((cell) => cell.metrics[metric]).filter((value) => value !== undefined);
  if (values.length === 0) return undefined;
  const value = values.reduce((a, b) => a + b, 0) / values.length;
  const samples = cells.reduce((sum, cell) => sum + cell.n, 0);
  const binomial = Math.sqrt((value * (1 - value)) / samples);
  if (values.length === 1) return { value, stderr: binomial };
  const spread = Math.sqrt(values.reduce((sum, v) => sum + (v - value) ** 2, 0) / (values.length - 1) / values.length);
  return { value, stderr: Math.max(spread, binomial) };
}

export function average(cells: readonly CellSummary[], pick: (cell: CellSummary) => number): number {
  return cells.reduce((sum, cell) => sum + pick(cell), 0) / cells.length;
}
