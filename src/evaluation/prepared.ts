/** Samples as token ids, and the batches in which they are evaluated. */
import { answerIds, contextIds, questionIds } from '../models/prompt.js';
import type { Tokenizer } from '../models/tokenizer.js';
import type { Task, TaskSample } from '../tasks/task.js';

/** A sample as token ids. */
export interface Prepared {
  sample: TaskSample;
  context: number[];
  question: number[];
  reference: number[];
  /** Texts of the choices as answers; empty without choices. */
  choices: number[][];
}

export function prepare(sample: TaskSample, task: Task, tokenizer: Tokenizer): Prepared {
  const context = contextIds(tokenizer, sample.context);
  const answer = sample.answers[0] ?? '';
  const choices = (sample.choices?.texts ?? []).map((text) => tokenizer.encode(text));
  if (task.mode === 'generate') {
    const question = questionIds(tokenizer, sample.question);
    return { sample, context, question, reference: answerIds(tokenizer, answer), choices };
  }
  const [first, ...rest] = tokenizer.encode(answer);
  return { sample, context, question: [first!], reference: rest, choices };
}

/**
 * `samples` in order, in batches of at most `size`. Neighbours with the same context are not torn apart unless they
 * are more than `size`, so that each context is compressed once.
 */
export function* inBatches(samples: Iterable<TaskSample>, size: number): Generator<TaskSample[]> {
  let batch: TaskSample[] = [];
  let group: TaskSample[] = [];
  for (const sample of samples) {
    const torn = group.length > 0 && group[0]!.context !== sample.context;
    if (torn) {
      batch.push(...group);
      group = [];
    }
    if (batch.length > 0 && batch.length + group.length >= size) {
      yield batch;
      batch = [];
    }
    if (group.length === size) {
      yield group;
      group = [];
    }
    group.push(sample);
  }
  if (batch.length + group.length > 0) yield [...batch, ...group];
}

/** What a batch asks for: its samples, and the contexts among them that are not the same. */
export interface BatchSize {
  samples: number;
  contexts: number;
}

/** The most samples, and the most different contexts, that any of the batches of `samples` has. */
export function largestBatch(samples: Iterable<TaskSample>, size: number): BatchSize {
  const most = { samples: 0, contexts: 0 };
  for (const batch of inBatches(samples, size)) {
    most.samples = Math.max(most.samples, batch.length);
    most.contexts = Math.max(most.contexts, new Set(batch.map(({ context }) => context)).size);
  }
  return most;
}

/**
 * Contexts of a batch, each once unless the method looks at the question.
 * @returns `first`: the sample that stands for each context; `of`: the context's number for each sample
 */
export function distinctContexts(
  batch: readonly Prepared[],
  questionAware: boolean,
): { first: number[]; of: number[] } {
  const first: number[] = [];
  const seen = new Map<string, number>();
  const of = batch.map((item, i) => {
    const key = questionAware ? `${i}` : item.sample.context;
    const place = seen.get(key) ?? first.push(i) - 1;
    seen.set(key, place);
    return place;
  });
  return { first, of };
}
