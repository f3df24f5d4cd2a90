/** What every dataset yields: a context with the questions asked about it. */
import type { z } from 'zod';
import { UserError } from '../base/errors.js';
import type { Entry } from '../base/registry.js';
import type { Origin } from './origin.js';
import type { Row, Rows } from './rows/rows.js';

export interface Question {
  id: string;
  question: string;
  /** Accepted answers, the first being the one to train on; empty where none exists. */
  answers: readonly string[];
  /** Groups that a report may split by, such as `shared-attribute`. */
  tags?: readonly string[];
  /** Texts of a multiple-choice question's choices, which `question` lists too (see multiple-choice.ts). */
  choices?: { texts: readonly string[]; correct: number };
}

export interface Passage {
  id: string;
  context: string;
  questions: readonly Question[];
}

/** Passages by number; asking twice gives the same passage. */
export interface PassageSource {
  /** How many there are; Infinity for a generated training split. */
  readonly size: number;
  get(index: number): Passage;
  /** Sizes of the stretches that are read at once, where single passages cannot be. */
  readonly stretches?: readonly number[];
}

/** Passages that are all in memory. */
export function passageSource(passages: readonly Passage[]): PassageSource {
  return { size: passages.length, get: (index) => passages[index]! };
}

/** Passages of records on disk, one of each; one without a question that has an answer is passed over in training. */
export function rowsSource(rows: Rows, read: (row: Row) => Passage): PassageSource {
  const { size, stretches } = rows;
  return { size, get: (index) => read(rows.get(index)), ...(stretches && { stretches }) };
}

/** What a file holds, as `schema` wants it; else a UserError with the first problem, the place and a hint. */
export function parseRecord<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  complaint: { code: string; where: string; hint: string },
): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { code, where, hint } = complaint;
  const [issue] = parsed.error.issues;
  throw new UserError(code, `${issue!.path.join('.')}: ${issue!.message}`, { where, hint });
}

export interface Dataset<Options = unknown> extends Entry {
  /** Where its files come from and on what terms; undefined where they are generated, or the user's own. */
  readonly origin?: Origin;
  /** Bumped whenever the same options would give other passages. */
  readonly version: number;
  readonly splits: readonly string[];
  readonly options: z.ZodObject;
  open(options: Options, split: string): PassageSource;
}

/** Declares a dataset; its options are typed by their schema. */
export function defineDataset<Schema extends z.ZodObject>(
  dataset: Omit<Dataset, 'options' | 'open'> & {
    options: Schema;
    open(options: z.output<Schema>, split: string): PassageSource;
  },
): Dataset {
  return {
    ...dataset,
    open: (options, split) => dataset.open(dataset.options.parse(options) as z.output<Schema>, split),
  };
}
