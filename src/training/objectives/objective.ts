/** What a training objective is, and what it may look at. */
import type * as tf from '@tensorflow/tfjs-core';
import type { Entry } from '../../base/registry.js';
import type { Random } from '../../engine/random.js';
import type { Decoder } from '../../models/decoder.js';
import type { Example } from '../examples.js';
import type { StudentPass, TeacherPass } from '../passes.js';

export interface ObjectiveOptions {
  /** λ: weight of the forward KL. */
  kl_forward_weight: number;
  /** Share of the autoencoding loss; a half where not given. */
  autoencoding_weight?: number | undefined;
  /** Most tokens of a context that are reconstructed in one step; 256 where not given. */
  autoencoding_tokens?: number | undefined;
}

/** One micro-batch. */
export interface LossInputs {
  model: Decoder;
  examples: readonly Example[];
  teacher: TeacherPass;
  student: StudentPass;
  /** The objective's own, by name. */
  parameters: Readonly<Record<string, tf.Variable>>;
  options: ObjectiveOptions;
  /** Of this micro-batch alone. */
  random: Random;
}

export interface Objective extends Entry {
  /** Whether the loss looks at what the teacher says (`teacher.normed`). */
  readonly teacher: boolean;
  /** Variables that are trained with the adapter but do not outlive the training, by name. */
  parameters(model: Decoder): Record<string, tf.Variable>;
  /** Mean loss of a micro-batch, nats a token; differentiable in the student and the parameters. */
  loss(inputs: LossInputs): tf.Scalar;
}

export function defineObjective(objective: Objective): Objective {
  return objective;
}
