/** Contexts, questions and answers as token ids: one way for training and evaluation. */
import type { Tokenizer } from './tokenizer.js';

/** Token ids of a context as a model sees it. */
export function contextIds(tokenizer: Tokenizer, context: string): number[] {
  return [tokenizer.bosId, ...tokenizer.encode(context)];
}

/** Token ids of a question, up to where the answer begins. */
export function questionIds(tokenizer: Tokenizer, question: string): number[] {
  const template = tokenizer.promptTemplate;
  return tokenizer.encode(`${template.question} ${question}${template.answer}`);
}

/** Token ids of an answer and the end of sequence. */
export function answerIds(tokenizer: Tokenizer, answer: string): number[] {
  return [...tokenizer.encode(answer), tokenizer.eosId];
}
