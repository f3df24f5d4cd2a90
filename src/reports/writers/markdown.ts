/** Tables as GitHub-flavoured Markdown. */
import { cellText, printable, shownColumns } from '../table.js';
import type { Writer } from './writer.js';

function escape(text: string): string {
  return printable(text).replace(/[\\|`*_<>[\]&~#]/g, (mark) =>
    mark === '<' ? '&lt;' : mark === '>' ? '&gt;' : mark === '&' ? '&amp;' : `\\${mark}`,
  );
}

export const markdown: Writer = {
  name: 'markdown',
  summary: 'GitHub-flavoured Markdown',
  reference: 'GitHub Flavored Markdown 0.29',
  extension: 'md',
  write: (table) => {
    const { title, rows, notes } = table;
    const columns = shownColumns(table);
    return [
      `## ${escape(title)}`,
      '',
      `| ${columns.map((column) => escape(column.label)).join(' | ')} |`,
      `|${columns.map((column) => (column.align === 'right' ? '---:' : '---')).join('|')}|`,
      ...rows.map((row) => `| ${columns.map((column) => escape(cellText(row[column.key]))).join(' | ')} |`),
      '',
      ...notes.map((note) => `- ${escape(note)}`),
      '',
    ].join('\n');
  },
};
