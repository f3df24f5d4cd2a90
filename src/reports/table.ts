/** A table as data; writers turn it into text. */

/** A number with its error bar, text, or nothing where nothing was measured. */
export type Cell = string | { value: number; stderr?: number; digits: number } | null;

export interface Column {
  key: string;
  label: string;
  align: 'left' | 'right';
}

export interface Table {
  title: string;
  columns: Column[];
  rows: Record<string, Cell>[];
  notes: string[];
}

/** Text without control characters: model output is not to be trusted. */
export function printable(text: string): string {
  return text.replace(/\u001b\[[0-9;]*[A-Za-z]/g, '').replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}

/** A cell as plain text. */
export function cellText(cell: Cell | undefined): string {
  if (cell === null || cell === undefined) return '—';
  if (typeof cell === 'string') return printable(cell);
  const value = cell.value.toFixed(cell.digits);
  return cell.stderr === undefined ? value : `${value} ± ${cell.stderr.toFixed(cell.digits)}`;
}
