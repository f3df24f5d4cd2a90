/** KV-Distill's objective: the student's next-token distributions against the teacher's. */
import * as tf from '@tensorflow/tfjs-core';
import { mixedKl } from '../losses.js';
import { studentLogits } from '../passes.js';
import { defineObjective } from './objective.js';

export const kl = defineObjective({
  name: 'kl',
  summary: 'λ·KL(teacher‖student) + (1−λ)·KL(student‖teacher) on the answers',
  reference: 'arXiv 2503.10337, section 3.3',
  teacher: true,
  parameters: () => ({}),
  loss: ({ model, teacher, student, options }) => {
    const logits = studentLogits(model, student, teacher);
    return mixedKl(teacher.logits!, logits, tf.ones([logits.shape[0]]), options.kl_forward_weight);
  },
});
