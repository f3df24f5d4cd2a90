/** Tables as GitHub-flavoured Markdown. */
import { cellText, printable, shownColumns, type Table } from '../table.js';
import type { Writer } from './writer.js';

/** Text from anywhere on one line, without any meaning to Markdown. */
export function markdownText(text: string): string {
  return printable(text).replace(/[\\|`*_<>[\]&~#]/g, (mark) =>
    mark === '<' ? '&lt;' : mark === '>' ? '&gt;' : mark === '&' ? '&amp;' : `\\${mark}`,
  );
}

/** A table under a heading of some level; the notes as a list. */
export function markdownTable(table: Table, level: number): string {
  const { title, rows, notes } = table;
  const columns = shownColumns(table);
  return [
    `${'#'.repeat(level)} ${markdownText(title)}`,
    '',
    `| ${columns.map((column) => markdownText(column.label)).join(' | ')} |`,
    `|${columns.map((column) => (column.align === 'right' ? '---:' : '---')).join('|')}|`,
    ...rows.map(
      (row) => `| ${columns.map((column) => markdownText(cellText(row[column.key]))).join(' | ')} |`,
    ),
    '',
    ...notes.map((note) => `- ${markdownText(note)}`),
    '',
  ].join('\n');
}

export const markdown: Writer = {
  name: 'markdown',
  summary: 'GitHub-flavoured Markdown',
  reference: 'GitHub Flavored Markdown 0.29',
  extension: 'md',
  write: (table) => markdownTable(table, 2),
};
