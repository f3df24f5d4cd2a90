/** A table as data; writers turn it into text. */

/** A measured number. */
export interface Measurement {
  value: number;
  stderr?: number;
  /** Difference to the uncompressed model. */
  delta?: number;
  digits: number;
  /** Cells of the store behind the number, as `run/cell` (see document.ts). */
  sources?: readonly string[];
}

/** A number with its error bar, text, or nothing where nothing was measured. */
export type Cell = string | Measurement | null;

export interface Column {
  key: string;
  label: string;
  align: 'left' | 'right';
  /** Of use to programs only, such as ids: not shown in tables made for people. */
  dataOnly?: boolean;
}

export interface Table {
  title: string;
  columns: Column[];
  rows: Record<string, Cell>[];
  notes: string[];
}

/** Columns of tables made for people. */
export function shownColumns({ columns }: Table): Column[] {
  return columns.filter(({ dataOnly }) => dataOnly !== true);
}

/** Text on one line, without control characters and changes of writing direction: it may come from a model. */
export function printable(text: string): string {
  return text
    .replace(/\u001b\[[0-9;:?]*[ -/]*[@-~]/g, '')
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, ' ');
}

/** Text of several lines, each of them printable. */
export function printableLines(text: string): string {
  return text
    .split(/\r\n|[\n\r\u2028\u2029]/)
    .map((line) => printable(line.replace(/\t/g, '  ')))
    .join('\n');
}

/** A number with a sign, 0 without one. */
function signed(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return `${value < 0 ? '−' : '+'}${text}`;
}

/** A cell as plain text. */
export function cellText(cell: Cell | undefined): string {
  if (cell === null || cell === undefined) return '—';
  if (typeof cell === 'string') return printable(cell);
  const { value, stderr, delta, digits } = cell;
  const error = stderr === undefined ? '' : ` ± ${stderr.toFixed(digits)}`;
  const difference = delta === undefined ? '' : ` (${signed(delta, digits)})`;
  return `${value.toFixed(digits)}${error}${difference}`;
}
