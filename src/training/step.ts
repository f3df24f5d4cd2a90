/** One optimiser step: teacher and student over each micro-batch, gradients added up, clipped and followed. */
import * as tf from '@tensorflow/tfjs-core';
import { abandonable } from '../engine/abandon.js';
import { solo, type Group } from '../engine/group.js';
import { Random } from '../engine/random.js';
import type { Adapter, Trainable } from '../methods/trainable.js';
import type { Decoder } from '../models/decoder.js';
import { clipCoefficient, type AdamW, type AdamWOptions, type NamedVariables } from './adamw.js';
import type { Example } from './examples.js';
import { assertFinite } from './finite.js';
import { objectives } from './objectives/index.js';
import type { Objective, ObjectiveOptions } from './objectives/objective.js';
import { disposePass, studentPass, teacherPass } from './passes.js';
import { learningRateAt, type ScheduleOptions } from './schedule.js';

export interface StepOptions extends AdamWOptions, ScheduleOptions, ObjectiveOptions {
  seed: number;
  /** Name of the objective; kl where not given. */
  objective?: string | undefined;
  max_grad_norm: number;
  /** Layers are computed a second time in the backward pass, which keeps less; not where not given. */
  gradient_checkpointing?: boolean | undefined;
  /** Longer contexts are encoded in folds of this many tokens. */
  fold_tokens?: number | undefined;
  /** Steps in which folds are of `fold_warmup_tokens` instead. */
  fold_warmup_steps?: number | undefined;
  fold_warmup_tokens?: number | undefined;
}

/** What stays the same from step to step. */
export interface Course<A extends Adapter> {
  model: Decoder;
  trainable: Trainable<A>;
  adapter: A;
  objective: Objective;
  /** The objective's own. */
  parameters: NamedVariables;
  /** All that is trained. */
  trained: NamedVariables;
  options: StepOptions;
}

/** A part of a step's batch, and the share of the step's targets that are its own. */
export interface MicroBatch {
  examples: readonly Example[];
  /** Rows to keep of each context. */
  kept: readonly number[];
  share: number;
}

export interface StepResult {
  /** Of the objective, mean over the step's target tokens, natural log. */
  loss: number;
  gradientNorm: number;
  learningRate: number;
}

/** Makes `model` and `adapter` (of variables) ready for training; whoever opens a course disposes its parameters. */
export function openCourse<A extends Adapter>(
  model: Decoder,
  trainable: Trainable<A>,
  adapter: A,
  options: StepOptions,
): Course<A> {
  const objective = objectives.get(options.objective ?? 'kl');
  const parameters = objective.parameters(model);
  model.checkpointLayers = options.gradient_checkpointing ?? false;
  const trained = { ...trainable.trained(adapter), ...parameters };
  return { model, trainable, adapter, objective, parameters, trained, options };
}

/** Length of folds in step number `step` (1-based); undefined where contexts stay whole. */
function foldTokensAt(step: number, options: StepOptions): number | undefined {
  return step <= (options.fold_warmup_steps ?? 0) ? options.fold_warmup_tokens : options.fold_tokens;
}

/** Share of the loss and of its gradients that a micro-batch of step number `step` has. */
function microStep<A extends Adapter>(
  course: Course<A>,
  { examples, kept, share }: MicroBatch,
  step: number,
  random: Random,
): { loss: number; grads: tf.NamedTensorMap } {
  const { model, trainable, adapter, objective, parameters, trained, options } = course;
  const teacher = teacherPass(model, examples, kept, trainable.frozenLayers(adapter), {
    foldTokens: foldTokensAt(step, options),
    teacher: objective.teacher,
  });
  const { value, grads } = tf.tidy(() =>
    tf.variableGrads(() => {
      const student = studentPass(model, trainable, adapter, teacher);
      const loss = objective.loss({ model, examples, teacher, student, parameters, options, random });
      return share === 1 ? loss : tf.mul<tf.Scalar>(loss, share);
    }, Object.values(trained)),
  );
  const loss = value.dataSync()[0]!;
  tf.dispose(value);
  disposePass(teacher);
  return { loss, grads };
}

/** Sums a step's loss and gradients over the ranks; every rank then makes the same update. */
function sumOverRanks(group: Group, loss: number, gradients: Record<string, tf.Tensor>): number {
  if (group.size === 1) return loss;
  const total = Float32Array.of(loss);
  group.sum(total);
  for (const [name, gradient] of Object.entries(gradients)) {
    const values = gradient.dataSync().slice() as Float32Array;
    group.sum(values);
    gradients[name] = tf.tensor(values, gradient.shape);
    gradient.dispose();
  }
  return total[0]!;
}

/**
 * Takes step number `step` (1-based) in place; undefined where it was given up as the process is to end, before anything
 * has changed. Ranks of a group take theirs whole: one alone cannot leave the others.
 * @param statePath checkpoint to go on from where loss or gradients are not finite, before anything has changed
 * @param group the processes that have the other parts of the batch
 */
export function takeStep<A extends Adapter>(
  course: Course<A>,
  optimiser: AdamW,
  batches: readonly MicroBatch[],
  step: number,
  statePath: string,
  group: Group = solo,
): StepResult | undefined {
  const { options, trained } = course;
  const sums: Record<string, tf.Tensor> = {};
  let loss = 0;
  for (const [micro, batch] of batches.entries()) {
    const draws = new Random(`objective/${options.seed}/${step - 1}/${micro}`);
    const compute = (): ReturnType<typeof microStep> => microStep(course, batch, step, draws);
    const result = group.size === 1 ? abandonable(compute) : compute();
    if (result === undefined) return void tf.dispose(sums);
    loss += result.loss;
    for (const [name, variable] of Object.entries(trained)) {
      const gradient = result.grads[variable.name]!;
      const before = sums[name];
      sums[name] = before === undefined ? gradient : tf.add(before, gradient);
      if (before !== undefined) tf.dispose([before, gradient]);
    }
  }
  loss = sumOverRanks(group, loss, sums);
  const { coefficient, norm } = clipCoefficient(sums, options.max_grad_norm);
  assertFinite({ step, loss, norm }, course.model, trained, sums, statePath);
  const learningRate = learningRateAt(step, options);
  optimiser.update(sums, learningRate, coefficient);
  tf.dispose(sums);
  return { loss, gradientNorm: norm, learningRate };
}
