/** KV-Distill's objective: the student's next-token distributions against the teacher's. */
import * as tf from '@tensorflow/tfjs-core';
import { mixedKlOf } from '../losses.js';
import type { Decoder } from '../../models/decoder.js';
import { studentNormed, type StudentPass, type TeacherPass } from '../passes.js';
import { projectedLoss } from '../projected-loss.js';
import { defineObjective } from './objective.js';

/** λ·KL(teacher‖student) + (1−λ)·KL(student‖teacher), mean over the targets, nats. */
export function klLoss(
  model: Decoder,
  teacher: TeacherPass,
  student: StudentPass,
  forwardWeight: number,
): tf.Scalar {
  const { normed } = teacher;
  const [rows] = normed!.shape;
  const share = tf.tensor1d(new Float32Array(rows).fill(1 / rows));
  return projectedLoss(model, studentNormed(model, student, teacher), (logits, piece) =>
    mixedKlOf(model.project(piece(normed!)), logits, piece(share), forwardWeight),
  );
}

export const kl = defineObjective({
  name: 'kl',
  summary: 'λ·KL(teacher‖student) + (1−λ)·KL(student‖teacher) on the answers',
  reference: 'arXiv 2503.10337, section 3.3',
  teacher: true,
  parameters: () => ({}),
  loss: ({ model, teacher, student, options }) => klLoss(model, teacher, student, options.kl_forward_weight),
});
