/** What is asked of a model, and which metrics mark the answer. */
import type { z } from 'zod';
import type { Entry } from '../base/registry.js';
import type { Question } from '../data/passage.js';

/** One question about one context. */
export interface TaskSample {
  id: string;
  context: string;
  /** The question; empty where the task is to go on with the text. */
  question: string;
  /** Accepted answers; the first is the reference for likelihoods. Empty = unanswerable. */
  answers: readonly string[];
  tags: readonly string[];
  /** Of a multiple-choice question, which `question` lists too. */
  choices?: Question['choices'];
}

export type MetricName =
  | 'accuracy'
  | 'exact_match'
  | 'f1'
  | 'rouge1'
  | 'rouge2'
  | 'rougeL'
  | 'rougeLsum'
  | 'rougeL_mean'
  | 'letter_accuracy'
  | 'choice_accuracy'
  | 'choice_accuracy_norm';

export interface Task<Options = unknown> extends Entry {
  /** Bumped whenever the same options would give other samples or marks. */
  readonly version: number;
  readonly splits: readonly string[];
  readonly options: z.ZodObject;
  /** `generate`: greedy answers are marked. `continue`: only likelihoods of the given continuation. */
  readonly mode: 'generate' | 'continue';
  /** Marks of an answer; the first is the task's headline. */
  readonly metrics: readonly MetricName[];
  /** The headline's value by chance, 0 to 1, where that is known. */
  readonly chance: number | undefined;
  /** Longest answer unless the experiment says otherwise, tokens. */
  readonly maxNewTokens: number;
  /** The samples of a split, in a fixed order. */
  samples(options: Options, split: string): Iterable<TaskSample>;
}

/** Declares a task; its options are typed by their schema. */
export function defineTask<Schema extends z.ZodObject>(
  task: Omit<Task, 'options' | 'samples'> & {
    options: Schema;
    samples(options: z.output<Schema>, split: string): Iterable<TaskSample>;
  },
): Task {
  return {
    ...task,
    samples: (options, split) => task.samples(task.options.parse(options) as z.output<Schema>, split),
  };
}
