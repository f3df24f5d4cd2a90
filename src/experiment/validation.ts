/** What a training is validated on. */
import { hashOf } from '../base/hash.js';
import type { Experiment } from './schema.js';

export interface Validation {
  task: string;
  task_options: Record<string, unknown>;
  fold_tokens?: number;
}

/** Questions on nano documents, none of them folded. */
const USUAL: Validation = { task: 'nano-qa', task_options: {} };

/**
 * The validation that an experiment's training asks for: its own task or, where it names none, the evaluation's. A
 * training that says how contexts fold is validated so.
 */
export function validationOf({ training, evaluation }: Experiment): Validation {
  const own = training?.eval_task !== undefined;
  const fold = training?.fold_tokens ?? (own ? undefined : evaluation?.fold_tokens);
  return {
    task: training?.eval_task ?? evaluation?.task ?? USUAL.task,
    task_options: training?.eval_task_options ?? (own ? undefined : evaluation?.task_options) ?? {},
    ...(fold !== undefined && { fold_tokens: fold }),
  };
}

/** The validation where it is not the usual one: it picks the checkpoint, so it is part of what is trained. */
export function unusualValidation(experiment: Experiment): Validation | undefined {
  const validation = validationOf(experiment);
  return hashOf(validation) === hashOf(USUAL) ? undefined : validation;
}
