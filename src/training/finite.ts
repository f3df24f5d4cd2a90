/** Training that leaves the numbers: found at the step at which it happens, and named. */
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../base/errors.js';
import type { Decoder } from '../models/decoder.js';

function isFinite(tensor: tf.Tensor): boolean {
  return tf.tidy(() => Number.isFinite(tf.sum(tf.mul(tensor, 0)).dataSync()[0]!));
}

/** Names of those that hold NaN or infinity. */
function notFinite(tensors: Readonly<Record<string, tf.Tensor | undefined>>): string[] {
  return Object.entries(tensors).flatMap(([name, tensor]) => (tensor && !isFinite(tensor) ? [name] : []));
}

function frozen({ weights }: Decoder): Record<string, tf.Tensor | undefined> {
  const { embedding, finalNorm, head, layers } = weights;
  const named = layers.map((layer, i) =>
    Object.fromEntries(
      Object.entries(layer).map(([name, tensor]) => [`layer ${i} ${name}`, tensor as tf.Tensor]),
    ),
  );
  return Object.assign({ embedding, finalNorm, head }, ...named) as Record<string, tf.Tensor | undefined>;
}

function list(names: readonly string[]): string {
  const more = names.length > 3 ? ` and ${names.length - 3} more` : '';
  return names.slice(0, 3).join(', ') + more;
}

/** How a training ends in which a tensor left the numbers. */
export function notFiniteError(what: string, statePath: string): UserError {
  return new UserError('not-finite', what, {
    where: statePath,
    hint: 'The last checkpoint and the best adapter are kept. Lower training.learning_rate or training.max_grad_norm, or look at the data of this step.',
    exitCode: 1,
  });
}

/**
 * Refuses a loss or a gradient norm that is NaN or infinite, before it reaches the parameters, and says in which tensor
 * it began as far as can be told: a parameter, a frozen weight, or else the gradients.
 */
export function assertFinite(
  { step, loss, norm }: { step: number; loss: number; norm: number },
  model: Decoder,
  parameters: Readonly<Record<string, tf.Tensor>>,
  gradients: Readonly<Record<string, tf.Tensor>>,
  statePath: string,
): void {
  if (Number.isFinite(loss) && Number.isFinite(norm)) return;
  const what = Number.isFinite(loss) ? `the gradient norm is ${norm}` : `the loss is ${loss}`;
  const causes: [string, string[]][] = [
    ['parameter', notFinite(parameters)],
    ['frozen weight', notFinite(frozen(model))],
    ['gradient of', notFinite(gradients)],
  ];
  const [kind, names] = causes.find(([, found]) => found.length > 0) ?? [
    'only the sum over',
    ['all tensors'],
  ];
  throw notFiniteError(`${what} at step ${step}; not finite: ${kind} ${list(names)}`, statePath);
}

/** Steps before a spike can be told from the beginning's large gradients. */
const SETTLED_STEPS = 20;
/** A norm this many times the running mean is a spike. */
const SPIKE = 5;

/** Running mean of the gradient norm, over some 50 steps; part of the checkpoint. */
export interface NormTrend {
  steps: number;
  mean: number;
}

/**
 * Takes a step's norm into the trend.
 * @returns how many times the mean it is, where it is a spike
 */
export function followNorm(trend: NormTrend, norm: number): number | undefined {
  const ratio = norm / trend.mean;
  const spike = trend.steps >= SETTLED_STEPS && ratio > SPIKE;
  const weight = Math.max(0.02, 1 / (trend.steps + 1));
  // A spike counts as much as a norm at its threshold: one alone does not hide the next.
  trend.mean += weight * ((spike ? SPIKE * trend.mean : norm) - trend.mean);
  trend.steps += 1;
  return spike ? ratio : undefined;
}
