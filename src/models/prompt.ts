/** Contexts, questions and answers as token ids: one way for training and evaluation. */
import type { Tokenizer } from './tokenizer.js';

/** Token ids of a context as a model sees it, with what its template puts before it. */
export function contextIds(tokenizer: Tokenizer, context: string): number[] {
  const { head } = tokenizer.promptTemplate;
  return [...tokenizer.prefixIds, ...tokenizer.encode([{ control: head }, context])];
}

/** Token ids of a question behind its context, up to where the answer begins. */
export function questionIds(tokenizer: Tokenizer, question: string): number[] {
  const template = tokenizer.promptTemplate;
  return tokenizer.encode(
    [{ control: template.question }, question, { control: template.answer }],
    template.whole,
  );
}

/** Token ids of an answer and the end of sequence. */
export function answerIds(tokenizer: Tokenizer, answer: string): number[] {
  return [...tokenizer.encode(answer, tokenizer.promptTemplate.whole), tokenizer.eosId];
}
