/** Marks of generated answers by name: (output, accepted answers) to 0..1, higher is better. */
import type { MetricName } from '../../tasks/task.js';
import { bestRouge } from './rouge.js';
import { containsAnswer, exactMatch, f1 } from './squad.js';

export const metrics: Readonly<Record<MetricName, (output: string, answers: readonly string[]) => number>> = {
  accuracy: containsAnswer,
  exact_match: exactMatch,
  f1,
  rouge1: bestRouge('rouge1'),
  rouge2: bestRouge('rouge2'),
  rougeL: bestRouge('rougeL'),
  rougeLsum: bestRouge('rougeLsum'),
};
