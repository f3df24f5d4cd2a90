/** Tables as CSV: a column for each value, more for its standard error and difference. */
import { cellText, printable, type Cell } from '../table.js';
import type { Writer } from './writer.js';

/** Quotes what CSV demands, and defuses what a spreadsheet would take for a formula. */
function field(text: string): string {
  const safe = /^[=+@\t\r]/.test(text) || /^-[^\d.]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}

const PARTS = [
  ['value', ''],
  ['stderr', ' (s.e.)'],
  ['delta', ' (difference)'],
] as const;

function part(cell: Cell | undefined, name: (typeof PARTS)[number][0]): string {
  if (cell === null || cell === undefined) return '';
  if (typeof cell === 'string') return name === 'value' ? field(cellText(cell)) : '';
  return `${cell[name] ?? ''}`;
}

export const csv: Writer = {
  name: 'csv',
  summary: 'Comma-separated values; standard errors and differences in columns of their own',
  reference: 'RFC 4180',
  extension: 'csv',
  write: ({ columns, rows }) => {
    const all = columns.flatMap(({ key, label }) =>
      PARTS.filter(([name]) => name === 'value' || rows.some((row) => part(row[key], name) !== '')).map(
        ([name, suffix]) => ({ key, name, label: field(printable(`${label}${suffix}`)) }),
      ),
    );
    const lines = rows.map((row) => all.map(({ key, name }) => part(row[key], name)).join(','));
    return `${[all.map(({ label }) => label).join(','), ...lines].join('\n')}\n`;
  },
};
