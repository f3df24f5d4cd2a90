/** The first steps of a training may read shorter folds than the rest. */
import { beforeAll, describe, expect, it } from 'vitest';
import { startEngine } from '../../../src/engine/index.js';
import { kvd } from '../../../src/methods/kvd.js';
import { AdamW } from '../../../src/training/adamw.js';
import { openCourse, takeStep, type StepOptions } from '../../../src/training/step.js';
import { tinyDecoder, tinyTrained } from '../../helpers/tiny.js';

beforeAll(() => startEngine());

const shared: StepOptions = {
  seed: 1,
  ...{ adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, weight_decay: 0, max_grad_norm: 1 },
  ...{ learning_rate: 1e-3, lr_scheduler: 'constant', warmup_steps: 0, min_lr_ratio: 0, max_steps: 6 },
  kl_forward_weight: 0.6,
};
const context = Array.from({ length: 16 }, (_, t) => 1 + ((7 * t) % 39));
const examples = [{ id: 'a', context, continuation: [3, 10, 4, 12, 2], targets: [2, 3] }];

/** Loss of step number `step` of a training that has not changed anything yet. */
function lossAt(step: number, folds: Partial<StepOptions>): number {
  const { model } = tinyDecoder();
  const course = openCourse(model, kvd.trainable!, tinyTrained(kvd, model), { ...shared, ...folds });
  const optimiser = new AdamW(course.trained, course.options);
  return takeStep(course, optimiser, [{ examples, kept: [6], share: 1 }], step, '')!.loss;
}

describe('folds in training', () => {
  it('are of the warm-up length until its last step, and of fold_tokens then', () => {
    const [short, long] = [lossAt(1, { fold_tokens: 5 }), lossAt(1, { fold_tokens: 9 })];
    expect(short).not.toBe(long);
    const warming = { fold_tokens: 9, fold_warmup_steps: 2, fold_warmup_tokens: 5 };
    expect([1, 2, 3].map((step) => lossAt(step, warming))).toEqual([short, short, long]);
  });
});
