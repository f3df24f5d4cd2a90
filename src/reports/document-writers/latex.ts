/** A report as a whole LaTeX file: charts as tables of their values, unsupported statements in double brackets. */
import { chartTable } from '../chart-table.js';
import { evidence, VERDICTS } from '../claims.js';
import type { Block, ReportDocument, Section, SideBySide } from '../document.js';
import { cellText, shownColumns, type Table } from '../table.js';
import { latexRows, latexText } from '../writers/latex.js';
import type { DocumentWriter } from './writer.js';

/** Characters that fit across the page, by size of print; wider tables get the last. */
const SIZES: readonly [characters: number, command: string][] = [
  [130, 'footnotesize'],
  [165, 'scriptsize'],
  [Infinity, 'tiny'],
];

function sizeFor(table: Table): string {
  const width = shownColumns(table).reduce(
    (sum, { key, label }) =>
      sum + 2 + Math.max(label.length, ...table.rows.map((row) => cellText(row[key]).length)),
    0,
  );
  return SIZES.find(([characters]) => width <= characters)![1];
}

function list(items: readonly string[]): string[] {
  if (items.length === 0) return [];
  return ['\\begin{itemize}', ...items.map((item) => `\\item ${latexText(item)}`), '\\end{itemize}'];
}

function longTable(table: Table, notes: readonly string[]): string[] {
  const { columns, head, body } = latexRows(table);
  return [
    `{\\${sizeFor(table)}`,
    `\\begin{longtable}{${columns}}`,
    `\\caption{${latexText(table.title)}}\\\\`,
    ...head,
    '\\endhead',
    ...body,
    '\\end{longtable}',
    '}',
    ...list([...table.notes, ...notes]),
  ];
}

function paragraphs(text: string): string[] {
  return text.split(/\n\s*\n/).flatMap((paragraph) => [latexText(paragraph), '']);
}

function comparison({ title, prompt, references, texts }: SideBySide): string[] {
  return [
    `\\subsubsection*{${latexText(title)}}`,
    `\\begin{quote}\\footnotesize ${latexText(prompt)}\\end{quote}`,
    ...references.flatMap((reference) => [`\\textbf{Reference:} ${latexText(reference)}`, '']),
    ...texts.flatMap(({ label, note, spans }) => {
      const marked = spans.map(({ text, unsupported }) => (unsupported ? `⟦${text}⟧` : text)).join('');
      return [`\\textbf{${latexText(label)}} (${latexText(note)}): ${latexText(marked)}`, ''];
    }),
  ];
}

const BLOCKS: { [K in Block['kind']]: (block: Extract<Block, { kind: K }>) => string[] } = {
  table: ({ table }) => longTable(table, []),
  chart: ({ chart, notes }) => longTable(chartTable(chart), notes),
  'side-by-side': ({ items, notes }) => [
    `Statements that the references do not support stand in ${latexText('⟦double brackets⟧')}.`,
    ...items.flatMap(comparison),
    ...list(notes),
  ],
  text: ({ text }) => paragraphs(text),
};

function section({ title, intro, blocks, claims }: Section): string[] {
  return [
    `\\section*{${latexText(title)}}`,
    ...paragraphs(intro),
    ...blocks.flatMap((block) => (BLOCKS[block.kind] as (block: Block) => string[])(block)),
    ...list(
      claims.map((claim) => {
        const shown = evidence(claim);
        return `${VERDICTS[claim.verdict].word}: ${claim.text}${shown === '' ? '' : ` (${shown})`}`;
      }),
    ),
  ];
}

export const latex: DocumentWriter = {
  name: 'latex',
  summary: 'LaTeX with booktabs: a whole file, ready to compile',
  reference: 'booktabs 1.6',
  extension: 'tex',
  write: ({ title, made, sections, sources }: ReportDocument) =>
    [
      '\\documentclass[a4paper,landscape]{article}',
      '\\usepackage[T1]{fontenc}',
      '\\usepackage[utf8]{inputenc}',
      '\\usepackage[margin=15mm]{geometry}',
      '\\usepackage{booktabs}',
      '\\usepackage{longtable}',
      '\\setlength{\\parindent}{0pt}',
      '\\setlength{\\tabcolsep}{4pt}',
      '\\sloppy',
      `\\title{${latexText(title)}}`,
      '\\author{}',
      '\\date{}',
      '\\begin{document}',
      '\\maketitle',
      ...list(made),
      ...sections.flatMap(section),
      ...(sources.length === 0 ? [] : ['\\section*{Sources}']),
      ...list(sources.map(({ id, label, made: how }) => `${id}: ${label}; ${how}`)),
      '\\end{document}',
      '',
    ].join('\n'),
};
