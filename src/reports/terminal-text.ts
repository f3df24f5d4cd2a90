/** A report for a terminal: its tables, the values of its charts, and its claims. */
import { chartTable } from './chart-table.js';
import type { Block, Claim, ReportDocument, Section } from './document.js';
import { cellText, type Table } from './table.js';

function claimsTable(claims: readonly Claim[]): Table {
  return {
    title: 'Claims',
    columns: [
      { key: 'claim', label: 'claim', align: 'left' },
      { key: 'verdict', label: 'verdict', align: 'left' },
      { key: 'difference', label: 'difference', align: 'right' },
      { key: 'sigmas', label: 'standard errors', align: 'right' },
    ],
    rows: claims.map(({ text, verdict, difference, sigmas }) => ({
      claim: text,
      verdict,
      difference:
        difference === undefined ? null : `${cellText({ ...difference, digits: 1 })} ${difference.unit}`,
      sigmas: sigmas === undefined ? null : { value: sigmas, digits: 1 },
    })),
    notes: [],
  };
}

/** Tables, and those of charts. */
export function tablesOf(blocks: readonly Block[]): Table[] {
  return blocks.flatMap((block) =>
    block.kind === 'table' ? [block.table] : block.kind === 'chart' ? [chartTable(block.chart)] : [],
  );
}

function sectionText({ title, intro, blocks, claims }: Section, write: (table: Table) => string): string {
  const tables = [...tablesOf(blocks), ...(claims.length === 0 ? [] : [claimsTable(claims)])];
  return [title, intro, ...tables.map(write)].join('\n\n');
}

/** @param write a table as text */
export function terminalText(
  { title, made, sections }: ReportDocument,
  write: (table: Table) => string,
): string {
  return [[title, ...made].join('\n'), ...sections.map((section) => sectionText(section, write))].join(
    '\n\n',
  );
}
