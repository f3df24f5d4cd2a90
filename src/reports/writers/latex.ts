/** Tables as LaTeX with booktabs. */
import { cellText, printable, shownColumns, type Table } from '../table.js';
import type { Writer } from './writer.js';

const GREEK = 'alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi o pi rho'.split(' ');

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
  '×': '$\\times$',
  '–': '--',
  '—': '---',
  '…': '\\ldots{}',
  '‘': '`',
  '’': "'",
  '“': '``',
  '”': "''",
  '→': '$\\to$',
  '≥': '$\\geq$',
  '≤': '$\\leq$',
  '≈': '$\\approx$',
  '∈': '$\\in$',
  '∞': '$\\infty$',
  '⟦': '{[}{[}',
  '⟧': ']]',
  Δ: '$\\Delta$',
  σ: '$\\sigma$',
  τ: '$\\tau$',
  ...Object.fromEntries(GREEK.map((name, i) => [String.fromCodePoint(0x3b1 + i), `$\\${name}$`])),
};

/** Text from anywhere on one line, without any meaning to LaTeX; letters that pdfTeX lacks by their number. */
export function latexText(text: string): string {
  return printable(text).replace(/[^\n -~\u00a1-\u00ff]|[\\~^<>|[*±×·&%$#_{}]/gu, (mark) => {
    const known = SPECIAL[mark];
    if (known !== undefined) return known;
    return mark < '\u0080' ? `\\${mark}` : `{[}U+${mark.codePointAt(0)!.toString(16).toUpperCase()}]`;
  });
}

/** Column letters, rules and rows: what `tabular` and `longtable` share. */
export function latexRows(table: Table): { columns: string; head: string[]; body: string[] } {
  const columns = shownColumns(table);
  return {
    columns: columns.map((column) => (column.align === 'right' ? 'r' : 'l')).join(''),
    head: ['\\toprule', `${columns.map((column) => latexText(column.label)).join(' & ')} \\\\`, '\\midrule'],
    body: [
      ...table.rows.map(
        (row) => `${columns.map((column) => latexText(cellText(row[column.key]))).join(' & ')} \\\\`,
      ),
      '\\bottomrule',
    ],
  };
}

export const latex: Writer = {
  name: 'latex',
  summary: 'LaTeX with booktabs',
  reference: 'booktabs 1.6',
  extension: 'tex',
  write: (table) => {
    const { columns, head, body } = latexRows(table);
    return [
      '\\begin{table}',
      '\\centering',
      `\\caption{${latexText(table.title)}}`,
      `\\begin{tabular}{${columns}}`,
      ...head,
      ...body,
      '\\end{tabular}',
      ...table.notes.map((note) => `\\par\\footnotesize ${latexText(note)}`),
      '\\end{table}',
      '',
    ].join('\n');
  },
};
