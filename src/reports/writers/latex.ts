/** Tables as LaTeX with booktabs. */
import { cellText, printable, shownColumns } from '../table.js';
import type { Writer } from './writer.js';

const SPECIAL: Readonly<Record<string, string>> = {
  '\\': '\\textbackslash{}',
  '~': '\\textasciitilde{}',
  '^': '\\textasciicircum{}',
  '<': '\\textless{}',
  '>': '\\textgreater{}',
  '|': '\\textbar{}',
  // After the end of a row these would be taken for its options.
  '[': '{[}',
  '*': '{*}',
  '−': '$-$',
  '·': '$\\cdot$',
  '±': '$\\pm$',
  '—': '---',
  '→': '$\\to$',
  '≥': '$\\geq$',
};

function escape(text: string): string {
  return printable(text).replace(/[\\~^<>|[*±—→≥−·]|[&%$#_{}]/g, (mark) => SPECIAL[mark] ?? `\\${mark}`);
}

export const latex: Writer = {
  name: 'latex',
  summary: 'LaTeX with booktabs',
  reference: 'booktabs 1.6',
  extension: 'tex',
  write: (table) => {
    const { title, rows, notes } = table;
    const columns = shownColumns(table);
    return [
      '\\begin{table}',
      '\\centering',
      `\\caption{${escape(title)}}`,
      `\\begin{tabular}{${columns.map((column) => (column.align === 'right' ? 'r' : 'l')).join('')}}`,
      '\\toprule',
      `${columns.map((column) => escape(column.label)).join(' & ')} \\\\`,
      '\\midrule',
      ...rows.map((row) => `${columns.map((column) => escape(cellText(row[column.key]))).join(' & ')} \\\\`),
      '\\bottomrule',
      '\\end{tabular}',
      ...notes.map((note) => `\\par\\footnotesize ${escape(note)}`),
      '\\end{table}',
      '',
    ].join('\n');
  },
};
