/** `kvd data stats`: how long a dataset's texts are in a model's tokens (the statistics of Table 1). */
import { resolveModel } from '../experiment/check.js';
import { answerIds, contextIds, questionIds } from '../models/prompt.js';
import { loadTokenizer } from '../models/tokenizer.js';
import { openDataset, splitLike } from './data.js';
import { withProgress } from './progress.js';

export interface Lengths {
  count: number;
  average: number;
  median: number;
  /** 95 of 100 are no longer. */
  p95: number;
  max: number;
}

export interface DataStatistics {
  dataset: string;
  split: string;
  model: string;
  passages: number;
  /** Passages without a question that has an answer, which training passes over. */
  unanswered: number;
  /** Tokens, BOS included in contexts and end of sequence in answers. */
  context: Lengths;
  question: Lengths;
  answer: Lengths;
}

/** Passages of an endless split that are looked at unless told. */
const SOME = 1000;

/** Statistics of lengths; all zero where there are none. */
export function lengthsOf(values: readonly number[]): Lengths {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  const count = sorted.length;
  const average = count === 0 ? 0 : sorted.reduce((a, b) => a + b, 0) / count;
  return { count, average, median: at(0.5), p95: at(0.95), max: at(1) };
}

/** Lengths of contexts, questions and first answers of a split under a model's tokenizer. */
export async function dataStatistics(request: {
  dataset: string;
  /** The test set unless given, or the last there is. */
  split: string | undefined;
  model: string;
  limit: number | undefined;
  set: readonly string[];
  quiet: boolean;
}): Promise<DataStatistics> {
  const { dataset, model } = request;
  const split = request.split ?? splitLike('test', dataset);
  const tokenizer = loadTokenizer(resolveModel(model));
  const source = openDataset(dataset, split, request.set);
  const passages = Math.min(source.size, request.limit ?? (source.size === Infinity ? SOME : Infinity));
  const [context, question, answer]: number[][] = [[], [], []];
  let unanswered = 0;
  await withProgress(`Counting tokens of ${dataset}, ${split}`, passages, request.quiet, async (tick) => {
    for (let i = 0; i < passages; i++) {
      const passage = source.get(i);
      const answered = passage.questions.filter(({ answers }) => answers[0] !== undefined);
      if (answered.length === 0) unanswered += 1;
      else context!.push(contextIds(tokenizer, passage.context).length);
      for (const { question: text, answers } of answered) {
        question!.push(questionIds(tokenizer, text).length);
        answer!.push(answerIds(tokenizer, answers[0]!).length);
      }
      tick(i + 1, `${passage.id}`);
      if (i % 50 === 0) await new Promise(setImmediate);
    }
  });
  return {
    dataset,
    split,
    model,
    passages,
    unanswered,
    context: lengthsOf(context!),
    question: lengthsOf(question!),
    answer: lengthsOf(answer!),
  };
}

export function renderStatistics(found: DataStatistics): string {
  const rows = (['context', 'question', 'answer'] as const).map((what) => {
    const { count, average, median, p95, max } = found[what];
    return [`${what}s`, count, average.toFixed(1), median, p95, max].map(String);
  });
  const table = [['tokens of', 'number', 'average', 'median', '95 %', 'greatest'], ...rows];
  const widths = table[0]!.map((_, i) => Math.max(...table.map((row) => row[i]!.length)));
  const lines = table.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  );
  const left =
    found.unanswered === 0 ? '' : `; ${found.unanswered} without an answered question are not counted`;
  return [
    `${found.dataset}, ${found.split}, in tokens of ${found.model}: ${found.passages} passages${left}`,
    ...lines,
  ].join('\n');
}
