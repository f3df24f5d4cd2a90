/** Multiple-choice questions: one prompt and one way to read the answer, for generated and real data alike. */
import type { Question } from './passage.js';

const LETTERS = 'ABCDEFGH';

/** Letter of choice number `index`. */
export function choiceLetter(index: number): string {
  return LETTERS[index]!;
}

/**
 * How choices are listed: `A. first B. second`, as people write them, or `first A, second B`, from which a small
 * model that can do no more than look up what follows a text finds the letter.
 */
export type ChoiceLayout = 'letter-first' | 'letter-last';

/** The question, followed by its choices. */
export function choicePrompt(question: string, choices: readonly string[], layout: ChoiceLayout): string {
  if (layout === 'letter-last') {
    return `${question} ${choices.map((choice, i) => `${choice} ${choiceLetter(i)}`).join(', ')}`;
  }
  return [question, ...choices.map((choice, i) => `${choiceLetter(i)}. ${choice}`)].join(' ');
}

/**
 * A question with choices as any other: the choices stand in its text, and the answer to train on is the right
 * choice's text followed by its letter.
 */
export function choiceQuestion(
  question: Omit<Question, 'answers' | 'choices'>,
  texts: readonly string[],
  correct: number,
  layout: ChoiceLayout = 'letter-first',
): Question {
  return {
    ...question,
    question: choicePrompt(question.question, texts, layout),
    answers: [`${texts[correct]!} ${choiceLetter(correct)}`],
    choices: { texts, correct },
  };
}

/** Number of the choice that an answer names: its first letter that stands alone, in capitals; undefined without one. */
export function chosenLetter(output: string, choices: number): number | undefined {
  const found = new RegExp(`(?<![\\p{L}\\p{N}])[${LETTERS.slice(0, choices)}](?![\\p{L}\\p{N}])`, 'u').exec(
    output,
  );
  return found === null ? undefined : LETTERS.indexOf(found[0]);
}
