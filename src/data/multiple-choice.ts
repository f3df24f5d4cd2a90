/** Multiple-choice questions: one prompt and one way to read the answer, for generated and real data alike. */
import type { Question } from './passage.js';

const LETTERS = 'ABCDEFGH';

/** Letter of choice number `index`. */
export function choiceLetter(index: number): string {
  return LETTERS[index]!;
}

/** `question A. first B. second …` */
export function choicePrompt(question: string, choices: readonly string[]): string {
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
): Question {
  return {
    ...question,
    question: choicePrompt(question.question, texts),
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
