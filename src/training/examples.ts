/** Passages as distillation examples: a context to compress, and what is said after it. */
import type { Passage } from '../data/passage.js';
import { answerIds, contextIds, questionIds } from '../models/prompt.js';
import type { Tokenizer } from '../models/tokenizer.js';

export interface Example {
  id: string;
  /** Token ids of the context, BOS included. */
  context: number[];
  /** Token ids of questions and answers in turn. */
  continuation: number[];
  /** Places t in `continuation` whose next token is a target: part of an answer, or its end. */
  targets: number[];
}

/** As many of a passage's answered questions as fit `maxTokens`; undefined where none does. */
export function makeExample(
  passage: Passage,
  tokenizer: Tokenizer,
  limits: { minContextTokens: number; contextTokens: number; continuationTokens: number },
): Example | undefined {
  const context = contextIds(tokenizer, passage.context);
  if (context.length < limits.minContextTokens || context.length > limits.contextTokens) return undefined;
  const continuation: number[] = [];
  const targets: number[] = [];
  for (const { question, answers } of passage.questions) {
    if (answers[0] === undefined) continue;
    const asked = questionIds(tokenizer, question);
    const answer = answerIds(tokenizer, answers[0]);
    if (continuation.length + asked.length + answer.length > limits.continuationTokens) break;
    continuation.push(...asked);
    for (const token of answer) {
      targets.push(continuation.length - 1);
      continuation.push(token);
    }
  }
  return targets.length === 0 ? undefined : { id: passage.id, context, continuation, targets };
}
