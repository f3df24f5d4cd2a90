/** How each kind of question is asked and marked, for generated and real data alike. */
import type { Task } from './task.js';

type Marking = Pick<Task, 'mode' | 'metrics' | 'chance'>;

/** A span of the context, marked as KV-Distill appendix A marks SQuAD. */
export const extractive: Marking = {
  mode: 'generate',
  metrics: ['accuracy', 'exact_match', 'f1'],
  chance: undefined,
};

/** One of four choices: by the letter generated and, as lm-evaluation-harness does, by the likeliest text. */
export const fourChoices: Marking = {
  mode: 'generate',
  metrics: ['letter_accuracy', 'choice_accuracy', 'choice_accuracy_norm'],
  chance: 0.25,
};

/** A summary: ROUGE against the best of the references; the mean over them beside it. */
export const summary: Marking = {
  mode: 'generate',
  metrics: ['rougeL', 'rouge1', 'rouge2', 'rougeLsum', 'rougeL_mean'],
  chance: undefined,
};
