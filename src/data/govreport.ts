/** GovReport: reports of the US government with their summaries, in the forms in which they are passed on. */
import { basename } from 'node:path';
import { z } from 'zod';
import { readJson, readJsonLines } from '../base/files.js';
import { filesAt } from './files.js';
import { defineDataset, parseRecord, passageSource, type Passage } from './passage.js';

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

function records(file: string): { where: string; value: unknown }[] {
  if (file.endsWith('.jsonl')) {
    return readJsonLines(file, 2 ** 30).map(({ line, value }) => ({ where: `${file}:${line}`, value }));
  }
  const whole = readJson(file, 2 ** 30);
  if (!Array.isArray(whole)) return [{ where: file, value: whole }];
  return whole.map((value: unknown, i) => ({ where: `${file}, record ${i + 1}`, value }));
}

/** Passages of GovReport files, one a report: JSON Lines, JSON, or a folder of the authors' JSON files. */
export function readGovreport(path: string): Passage[] {
  return filesAt(path, '.json').flatMap((file) =>
    records(file).map(({ where, value }, i) => {
      const { id, report, summary } = parseRecord(recordSchema, value, {
        code: 'bad-govreport',
        where,
        hint: "Records with `report` and `summary` are wanted, or the authors' own (`reports`, `highlight`).",
      });
      const name = String(id ?? `${basename(file)}/${i + 1}`);
      const question = { id: name, question: REQUEST, answers: [summary] };
      return { id: name, context: report, questions: [question] };
    }),
  );
}

export const govreport = defineDataset({
  name: 'govreport',
  summary: 'Reports of the US government with their summaries (local JSON or JSON Lines)',
  reference: 'arXiv 2104.02112',
  version: 1,
  splits: ['train', 'validation', 'test'],
  options: z.strictObject({
    data: z.string().describe('a .jsonl or .json file, or a folder of .json files'),
  }),
  open: ({ data }) => passageSource(readGovreport(data)),
});
