/** A report as Markdown: charts as tables of their values, unsupported statements in double brackets. */
import { chartTable } from '../chart-table.js';
import { evidence, VERDICTS } from '../claims.js';
import type { Block, ReportDocument, Section, SideBySide } from '../document.js';
import { printableLines } from '../table.js';
import { markdownTable, markdownText } from '../writers/markdown.js';
import type { DocumentWriter } from './writer.js';

function paragraphs(text: string): string[] {
  return text.split(/\n\s*\n/).flatMap((paragraph) => [markdownText(paragraph), '']);
}

function quote(text: string): string[] {
  return printableLines(text)
    .split('\n')
    .map((line) => `> ${markdownText(line)}`);
}

function comparison({ title, prompt, references, texts }: SideBySide): string[] {
  return [
    `#### ${markdownText(title)}`,
    '',
    ...quote(prompt),
    '',
    ...references.flatMap((reference) => [`**Reference:** ${markdownText(reference)}`, '']),
    ...texts.flatMap(({ label, note, spans }) => {
      const marked = spans.map(({ text, unsupported }) => (unsupported ? `⟦${text}⟧` : text)).join('');
      return [`**${markdownText(label)}** (${markdownText(note)}): ${markdownText(marked)}`, ''];
    }),
  ];
}

function list(notes: readonly string[]): string[] {
  return notes.length === 0 ? [] : [...notes.map((note) => `- ${markdownText(note)}`), ''];
}

const BLOCKS: { [K in Block['kind']]: (block: Extract<Block, { kind: K }>) => string[] } = {
  table: ({ table }) => [markdownTable(table, 3)],
  chart: ({ chart, notes }) => {
    const table = chartTable(chart);
    return [markdownTable({ ...table, notes: [...table.notes, ...notes] }, 3)];
  },
  'side-by-side': ({ items, notes }) => [
    'Statements that the references do not support stand in ⟦double brackets⟧.',
    '',
    ...items.flatMap(comparison),
    ...list(notes),
  ],
  text: ({ text }) => paragraphs(text),
};

function section({ id, title, intro, blocks, claims }: Section): string[] {
  return [
    `## ${markdownText(title)}`,
    '',
    ...paragraphs(intro),
    ...blocks.flatMap((block) => (BLOCKS[block.kind] as (block: Block) => string[])(block)),
    ...(claims.length === 0 ? [] : [`### Claims of ${markdownText(id)}`, '']),
    ...list(
      claims.map((claim) => {
        const { mark, word } = VERDICTS[claim.verdict];
        const shown = evidence(claim);
        return `${mark} ${word}: ${claim.text}${shown === '' ? '' : ` (${shown})`}`;
      }),
    ),
  ];
}

export const markdown: DocumentWriter = {
  name: 'markdown',
  summary: 'GitHub-flavoured Markdown',
  reference: 'GitHub Flavored Markdown 0.29',
  extension: 'md',
  write: ({ title, made, sections, sources }: ReportDocument) =>
    [
      `# ${markdownText(title)}`,
      '',
      ...list(made),
      ...sections.flatMap(section),
      ...(sources.length === 0 ? [] : ['## Sources', '']),
      ...list(sources.map(({ id, label, made: how }) => `${id}: ${label}; ${how}`)),
    ].join('\n'),
};
