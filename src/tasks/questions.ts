/** Passages as samples: what all extractive tasks share. */
import type { PassageSource } from '../data/passage.js';
import type { TaskSample } from './task.js';

/** Every question that has an answer, of every passage, in order. */
export function* questionsOf(source: PassageSource): Generator<TaskSample> {
  for (let index = 0; index < source.size; index++) {
    const passage = source.get(index);
    for (const { id, question, answers, tags = [], choices } of passage.questions) {
      if (answers.length === 0) continue;
      yield { id, context: passage.context, question, answers, tags, ...(choices && { choices }) };
    }
  }
}
