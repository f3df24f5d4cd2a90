/** Extractive questions on the nano domain. */
import { nano } from '../data/nano/index.js';
import type { z } from 'zod';
import { defineTask, type TaskSample } from './task.js';
import type { PassageSource } from '../data/passage.js';

/** Every question of every passage, in order. */
export function* questionsOf(source: PassageSource): Generator<TaskSample> {
  for (let index = 0; index < source.size; index++) {
    const passage = source.get(index);
    for (const { id, question, answers, tags } of passage.questions) {
      yield { id, context: passage.context, question, answers, tags: tags ?? [] };
    }
  }
}

export const nanoQa = defineTask({
  name: 'nano-qa',
  summary: 'Extractive questions on generated documents (SQuAD at nano scale)',
  reference: 'kvd; marked as KV-Distill appendix A marks SQuAD',
  version: 1,
  splits: ['validation', 'test'],
  options: nano.options as z.ZodObject,
  mode: 'generate',
  metrics: ['accuracy', 'exact_match', 'f1'],
  chance: undefined,
  maxNewTokens: 8,
  samples: (options, split) => questionsOf(nano.open(options, split)),
});
