/** GovReport: reports of the US government with their summaries, in the forms in which they are passed on. */
import { basename } from 'node:path';
import { z } from 'zod';
import { dataOption, pathsOf, type Origin } from './origin.js';
import { defineDataset, parseRecord, rowsSource, type PassageSource } from './passage.js';
import { openRows } from './rows/index.js';

/** What is asked of every report. */
const REQUEST = 'Summarize the report.';

/** A section of the authors' files. */
interface Section {
  section_title: string;
  paragraphs: string[];
  subsections: Section[];
}

const sectionSchema: z.ZodType<Section> = z.lazy(() =>
  z.object({
    section_title: z.string().default(''),
    paragraphs: z.array(z.string()).default([]),
    subsections: z.array(sectionSchema).default([]),
  }),
);
/** Text, paragraphs, or sections: the authors' two sources and the common exports differ in this. */
const textSchema = z.union([z.string(), z.array(z.union([z.string(), sectionSchema])), sectionSchema]);
const recordSchema = z
  .object({
    id: z.union([z.string(), z.int()]).optional(),
    report: textSchema.optional(),
    reports: textSchema.optional(),
    document: textSchema.optional(),
    summary: textSchema.optional(),
    highlight: textSchema.optional(),
  })
  .transform((record, context) => {
    const report = plainText(record.report ?? record.reports ?? record.document ?? '');
    const summary = plainText(record.summary ?? record.highlight ?? '');
    if (report === '') context.addIssue({ code: 'custom', path: ['report'], message: 'there is no text' });
    if (summary === '') context.addIssue({ code: 'custom', path: ['summary'], message: 'there is no text' });
    return { id: record.id, report, summary };
  });

function plainText(value: z.output<typeof textSchema>): string {
  if (typeof value === 'string') return value.trim();
  const parts = Array.isArray(value)
    ? value.map(plainText)
    : [value.section_title, ...value.paragraphs, ...value.subsections.map(plainText)];
  return parts
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .join('\n');
}

/** Passages of GovReport files, one a report: JSON Lines, JSON, Parquet, or a folder of such files. */
export function openGovreport(paths: readonly string[]): PassageSource {
  const columns = ['id', 'report', 'reports', 'document', 'summary', 'highlight'];
  return rowsSource(openRows(paths, columns), ({ value, where, file, number }) => {
    const { id, report, summary } = parseRecord(recordSchema, value, {
      code: 'bad-govreport',
      where,
      hint: "Records with `report` and `summary` are wanted, or the authors' own (`reports`, `highlight`).",
    });
    const name = String(id ?? `${basename(file)}/${number}`);
    return { id: name, context: report, questions: [{ id: name, question: REQUEST, answers: [summary] }] };
  });
}

const origin: Origin = {
  kind: 'hub',
  repository: 'ccdv/govreport-summarization@refs/convert/parquet',
  licence: 'works of the US government, in the public domain',
  splits: {
    train: ['document/train/*.parquet'],
    validation: ['document/validation/*.parquet'],
    test: ['document/test/*.parquet'],
  },
};

export const govreport = defineDataset({
  name: 'govreport',
  summary: 'Reports of the US government with their summaries',
  reference: 'arXiv 2104.02112',
  version: 1,
  splits: ['train', 'validation', 'test'],
  origin,
  options: z.strictObject({
    data: dataOption('a .jsonl, .json or .parquet file, or a folder of such files'),
  }),
  open: ({ data }, split) => openGovreport(pathsOf('govreport', origin, data, split)),
});
