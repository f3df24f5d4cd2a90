/** Marks of multiple-choice questions. */
import { chosenLetter } from '../../data/multiple-choice.js';
import { UserError } from '../../base/errors.js';
import type { Answered } from './answered.js';

function choicesOf({ choices }: Answered): NonNullable<Answered['choices']> {
  if (choices === undefined)
    throw new UserError('no-choices', 'a question without choices cannot be marked by them');
  return choices;
}

function argMax(values: readonly number[]): number {
  return values.indexOf(Math.max(...values));
}

/** Whether the letter that the answer names is the right choice's. */
export function letterAccuracy(answered: Answered): number {
  const { texts, correct } = choicesOf(answered);
  return chosenLetter(answered.output, texts.length) === correct ? 1 : 0;
}

/** Whether the right choice's text is the likeliest answer (lm-evaluation-harness: acc). */
export function choiceAccuracy(answered: Answered): number {
  return argMax(answered.choiceLikelihoods ?? []) === choicesOf(answered).correct ? 1 : 0;
}

/** The same with log-likelihoods divided by the texts' characters (lm-evaluation-harness: acc_norm). */
export function choiceAccuracyNorm(answered: Answered): number {
  const { texts, correct } = choicesOf(answered);
  const likelihoods = answered.choiceLikelihoods ?? [];
  return argMax(likelihoods.map((value, i) => value / texts[i]!.length)) === correct ? 1 : 0;
}
