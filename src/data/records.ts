/** Anybody's own questions: JSON Lines, JSON, CSV or Parquet whose columns are named. */
import { basename } from 'node:path';
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import { defineDataset, rowsSource, type Passage } from './passage.js';
import { openRows } from './rows/index.js';
import type { Row } from './rows/rows.js';

const column = (what: string, name: string): z.ZodDefault<z.ZodString> =>
  z.string().min(1).default(name).describe(`column of ${what}`);

const options = z.strictObject({
  data: z.string().describe('a .jsonl, .json, .csv, .tsv or .parquet file, or a folder of such files'),
  context: column('the context', 'context'),
  question: column('the question', 'question'),
  answer: column('the accepted answers: a text, or a list of texts', 'answer'),
  id: z.string().optional().describe('column of a name for each record; its file and number unless given'),
  prompt: z.string().min(1).optional().describe('asked of every record, instead of a column of questions'),
});
type Columns = z.output<typeof options>;

/** A record's value in a column, as text. */
function textOf(record: Record<string, unknown>, name: string, where: string): string {
  const value = record[name];
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string' && value.trim() !== '') return value.trim();
  const problem =
    name in record
      ? `is ${value === '' ? 'empty' : (JSON.stringify(value) ?? 'missing').slice(0, 60)}, a text is wanted`
      : 'is missing';
  throw new UserError('bad-record', `column "${name}" ${problem}`, {
    where,
    hint: `The record has: ${Object.keys(record).join(', ') || 'no columns'}. Name columns with the options context, question, answer, id.`,
  });
}

/** A record as a passage with one question. */
function recordPassage({ value, where, file, number }: Row, columns: Omit<Columns, 'data'>): Passage {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new UserError('bad-record', 'is no object with named columns', {
      where,
      hint: 'Write {"context": …, "question": …, "answer": …}.',
    });
  }
  const record = value as Record<string, unknown>;
  const id = columns.id === undefined ? `${basename(file)}/${number}` : textOf(record, columns.id, where);
  const given = record[columns.answer];
  const answers = Array.isArray(given)
    ? given.map((answer: unknown) => textOf({ [columns.answer]: answer }, columns.answer, where))
    : [textOf(record, columns.answer, where)];
  const question = columns.prompt ?? textOf(record, columns.question, where);
  return { id, context: textOf(record, columns.context, where), questions: [{ id, question, answers }] };
}

export const records = defineDataset({
  name: 'records',
  summary: 'Your own questions: JSON Lines, JSON, CSV, TSV or Parquet with named columns',
  reference: 'kvd',
  version: 1,
  splits: ['train', 'validation', 'test'],
  options,
  open: ({ data, ...columns }) => {
    const { context, question, answer, id } = columns;
    const wanted = [context, question, answer, ...(id === undefined ? [] : [id])];
    return rowsSource(openRows(data, wanted), (row) => recordPassage(row, columns));
  },
});
