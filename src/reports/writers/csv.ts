/** Tables as CSV: a column for each value, one more for its standard error. */
import { cellText, type Cell } from '../table.js';
import type { Writer } from './writer.js';

/** Quotes what CSV demands, and defuses what a spreadsheet would take for a formula. */
function field(text: string): string {
  const safe = /^[=+@\t\r]/.test(text) || /^-[^\d.]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}

function value(cell: Cell | undefined): string {
  if (cell === null || cell === undefined) return '';
  return typeof cell === 'string' ? field(cellText(cell)) : `${cell.value}`;
}

function stderr(cell: Cell | undefined): string {
  return cell !== null && typeof cell === 'object' && cell.stderr !== undefined ? `${cell.stderr}` : '';
}

export const csv: Writer = {
  name: 'csv',
  summary: 'Comma-separated values with standard errors in columns of their own',
  reference: 'RFC 4180',
  extension: 'csv',
  write: ({ columns, rows }) => {
    const withErrors = new Set(
      columns.filter(({ key }) => rows.some((row) => stderr(row[key]) !== '')).map(({ key }) => key),
    );
    const header = columns.flatMap(({ key, label }) =>
      withErrors.has(key) ? [label, `${label} (s.e.)`] : [label],
    );
    const lines = rows.map((row) =>
      columns.flatMap(({ key }) =>
        withErrors.has(key) ? [value(row[key]), stderr(row[key])] : [value(row[key])],
      ),
    );
    return `${[header.map(field), ...lines].map((line) => line.join(',')).join('\n')}\n`;
  },
};
