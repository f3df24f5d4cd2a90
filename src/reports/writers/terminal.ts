/** Tables on the terminal. */
import CliTable from 'cli-table3';
import { cellText, printable, shownColumns } from '../table.js';
import type { Writer } from './writer.js';

export const terminal: Writer = {
  name: 'terminal',
  summary: 'A table for the terminal',
  reference: 'cli-table3',
  extension: 'txt',
  write: (whole) => {
    const { title, rows, notes } = whole;
    const columns = shownColumns(whole);
    const plain = process.env.NO_COLOR !== undefined || !process.stdout.isTTY;
    const table = new CliTable({
      head: columns.map((column) => printable(column.label)),
      colAligns: columns.map((column) => column.align),
      style: plain ? { head: [], border: [] } : { head: ['bold'], border: ['gray'] },
    });
    for (const row of rows) table.push(columns.map((column) => cellText(row[column.key])));
    return [printable(title), table.toString(), ...notes.map(printable)].join('\n');
  },
};
