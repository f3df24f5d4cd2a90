/** Marks of answers by name: 0 to 1, higher is better. */
import type { MetricName } from '../../tasks/task.js';
import type { Answered } from './answered.js';
import { choiceAccuracy, choiceAccuracyNorm, letterAccuracy } from './choices.js';
import { bestRouge, meanRouge } from './rouge.js';
import { containsAnswer, exactMatch, f1 } from './squad.js';

export interface Metric {
  /** What is marked: the generated answer, or the likelihoods of a question's choices. */
  of: 'answer' | 'choices';
  mark(answered: Answered): number;
}

function ofText(mark: (output: string, references: readonly string[]) => number): Metric {
  return { of: 'answer', mark: ({ output, references }) => mark(output, references) };
}

export const metrics: Readonly<Record<MetricName, Metric>> = {
  accuracy: ofText(containsAnswer),
  exact_match: ofText(exactMatch),
  f1: ofText(f1),
  rouge1: ofText(bestRouge('rouge1')),
  rouge2: ofText(bestRouge('rouge2')),
  rougeL: ofText(bestRouge('rougeL')),
  rougeLsum: ofText(bestRouge('rougeLsum')),
  rougeL_mean: ofText(meanRouge('rougeL')),
  letter_accuracy: { of: 'answer', mark: letterAccuracy },
  choice_accuracy: { of: 'choices', mark: choiceAccuracy },
  choice_accuracy_norm: { of: 'choices', mark: choiceAccuracyNorm },
};
