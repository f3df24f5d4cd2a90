/** A report's numbers as one long CSV: a line for each value of each table and chart, and for each claim. */
import { chartTable } from '../chart-table.js';
import type { Block, ReportDocument, Section } from '../document.js';
import { cellText, type Cell, type Column, type Table } from '../table.js';
import { csv as tables } from '../writers/csv.js';
import type { DocumentWriter } from './writer.js';

type Line = Record<string, Cell>;

function isMeasured(table: Table, { key }: Column): boolean {
  return table.rows.some((row) => typeof row[key] === 'object' && row[key] !== null);
}

/** Columns of text say which row it is; where there is nothing but text, all of it are values. */
function ofTable(section: string, table: Table): Line[] {
  const measured = table.columns.filter((column) => isMeasured(table, column));
  const values = measured.length > 0 ? measured : table.columns;
  const labels = table.columns.filter((column) => !values.includes(column));
  return table.rows.flatMap((row, i) => {
    const texts = labels.map(({ key, label }) => `${label}=${cellText(row[key])}`);
    return values
      .filter(({ key }) => (row[key] ?? null) !== null)
      .map(({ key, label }) => {
        const cell = row[key]!;
        const sources = typeof cell === 'object' ? cell?.sources?.join(' ') : undefined;
        const name = texts.length > 0 ? texts.join('; ') : `${i + 1}`;
        return {
          section,
          block: table.title,
          row: name,
          column: label,
          value: cell,
          sources: sources ?? null,
        };
      });
  });
}

function ofBlock(section: string, block: Block): Line[] {
  if (block.kind === 'table') return ofTable(section, block.table);
  return block.kind === 'chart' ? ofTable(section, chartTable(block.chart)) : [];
}

function ofSection({ id, blocks, claims }: Section): Line[] {
  return [
    ...blocks.flatMap((block) => ofBlock(id, block)),
    ...claims.map(({ text, verdict, difference }) => ({
      section: id,
      block: 'claims',
      row: text,
      column: difference === undefined ? 'verdict' : `difference (${difference.unit})`,
      value: difference === undefined ? null : { ...difference, digits: 3 },
      verdict,
    })),
  ];
}

const COLUMNS = ['section', 'block', 'row', 'column', 'value', 'verdict', 'sources'];

/** Everything that was measured, as one table. */
export function longTable({ title, sections }: ReportDocument): Table {
  const columns = COLUMNS.map((key): Column => ({ key, label: key, align: 'left' }));
  return { title, columns, rows: sections.flatMap(ofSection), notes: [] };
}

export const csv: DocumentWriter = {
  name: 'csv',
  summary: 'Comma-separated values: a line for each number',
  reference: 'RFC 4180',
  extension: 'csv',
  write: (document) => tables.write(longTable(document)),
};
