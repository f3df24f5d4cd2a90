/** Training sets of instructions: what they share once a record is split into (Context, Instruction, Answer). */
import { basename } from 'node:path';
import { z } from 'zod';
import { dataOption, pathsOf, type Origin } from './origin.js';
import { defineDataset, parseRecord, rowsSource, type Dataset } from './passage.js';
import { openRows } from './rows/index.js';

export interface Triple {
  context: string;
  instruction: string;
  answer: string;
}

/**
 * Declares a training set of records that a stated rule splits.
 * @param split the rule; undefined for a record without a context, which is passed over in training
 */
export function defineInstructions<Schema extends z.ZodType>(dataset: {
  name: string;
  summary: string;
  reference: string;
  version: number;
  origin: Origin;
  /** The columns that are read. */
  columns: readonly string[];
  record: Schema;
  split: (record: z.output<Schema>) => Triple | undefined;
}): Dataset {
  const { name, summary, reference, version, origin, columns, record, split } = dataset;
  return defineDataset({
    name,
    summary,
    reference,
    version,
    origin,
    splits: ['train'],
    options: z.strictObject({
      data: dataOption('your own copy, a file or a folder'),
    }),
    open: ({ data }, wanted) =>
      rowsSource(openRows(pathsOf(name, origin, data, wanted), columns), ({ value, where, file, number }) => {
        const hint = `Records of ${name} with ${columns.join(', ')} are wanted.`;
        const triple = split(parseRecord(record, value, { code: 'bad-record', where, hint }));
        const id = `${basename(file)}/${number}`;
        if (triple === undefined) return { id, context: '', questions: [] };
        const { context, instruction, answer } = triple;
        const answers = answer.trim() === '' ? [] : [answer.trim()];
        return { id, context: context.trim(), questions: [{ id, question: instruction.trim(), answers }] };
      }),
  });
}

/**
 * A prompt that was written as one text, split: its longest paragraph (paragraphs are set off by blank lines) is the
 * context, the others, in their order, the instruction; undefined where there is only one.
 */
export function longestParagraph(prompt: string): { context: string; instruction: string } | undefined {
  const paragraphs = prompt.split(/\n\s*\n/).filter((text) => text.trim() !== '');
  if (paragraphs.length < 2) return undefined;
  const longest = paragraphs.reduce(
    (best, text, i) => (text.length > paragraphs[best]!.length ? i : best),
    0,
  );
  const others = paragraphs.filter((_, i) => i !== longest);
  return { context: paragraphs[longest]!, instruction: others.join('\n\n') };
}
