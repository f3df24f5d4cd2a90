/** Every way of training: gradients are right, and the student speaks as it will when it is evaluated. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/errors.js';
import { startEngine } from '../../../src/engine/index.js';
import { Random } from '../../../src/engine/random.js';
import { straightThrough } from '../../../src/methods/dodo.js';
import { compressInFolds } from '../../../src/methods/folding.js';
import { methods } from '../../../src/methods/index.js';
import { makeBatch } from '../../../src/models/batch.js';
import { crossEntropy } from '../../../src/training/losses.js';
import { objectives } from '../../../src/training/objectives/index.js';
import { continuationLogits, studentLogits, studentPass, teacherPass } from '../../../src/training/passes.js';
import { startFrom } from '../../../src/training/start-from.js';
import { expectClose } from '../../helpers/closeness.js';
import { expectGradients } from '../../helpers/gradients.js';
import { tinyDecoder, tinyTrained } from '../../helpers/tiny.js';

beforeAll(() => startEngine());

const context = (length: number): number[] => Array.from({ length }, (_, t) => 1 + ((7 * t) % 39));
const examples = [
  { id: 'a', context: context(16), continuation: [3, 10, 4, 12, 2], targets: [2, 3] },
  { id: 'b', context: context(7), continuation: [3, 22, 4, 2], targets: [2] },
];
const kept = [7, 3];
const FOLD = 9;

const ways: [method: string, overrides: Record<string, unknown>, objective: string][] = [
  ['kvd', { scorer_bias: 0.5, score_spread: 1.5 }, 'ae_lm'],
  ['kvd', { routing: 'embedding' }, 'kl'],
  ['kvd', { routing: false, decay: true, n_sink: 0 }, 'kl'],
  ['kvd', { selection: 'per_head' }, 'kl'],
  ['dodo', {}, 'ae_lm'],
  ['icae', { max_slots: 4 }, 'ae_lm'],
];

describe.each(ways)('%s %j by %s', (name, overrides, objectiveName) => {
  const method = methods.get(name);
  const trainable = method.trainable!;
  const objective = objectives.get(objectiveName);

  it('has the gradients of finite differences', () => {
    const { model } = tinyDecoder();
    const adapter = tinyTrained(method, model, overrides);
    const teacher = teacherPass(model, examples, kept, trainable.frozenLayers(adapter), {
      foldTokens: FOLD,
      teacher: objective.teacher,
    });
    const parameters = objective.parameters(model);
    const options = { kl_forward_weight: 0.6 };
    const loss = (): tf.Scalar => {
      const student = studentPass(model, trainable, adapter, teacher);
      return objective.loss({
        model,
        examples,
        teacher,
        student,
        parameters,
        options,
        random: new Random('fold'),
      });
    };
    const trained = { ...trainable.trained(adapter), ...parameters };
    const { grads } = tf.variableGrads(loss, Object.values(trained));
    const straight = Object.keys(trained).filter((key) => name === 'dodo' && key.startsWith('scorer'));
    for (const key of straight) {
      expect(tf.max(tf.abs(grads[trained[key]!.name]!)).dataSync()[0], key).toBeGreaterThan(0);
    }
    // The value does not depend on straight-through scores, so no difference tells of them.
    expectGradients(
      loss,
      Object.fromEntries(Object.entries(trained).filter(([key]) => !straight.includes(key))),
    );
  });

  it('trains the student that is evaluated, whole and in folds', () => {
    const { model } = tinyDecoder();
    const adapter = tinyTrained(method, model, { ...overrides, ...(name === 'icae' && { max_slots: 40 }) });
    for (const foldTokens of [FOLD, 100]) {
      const pass = teacherPass(model, examples, kept, trainable.frozenLayers(adapter), { foldTokens });
      const trained = studentLogits(model, studentPass(model, trainable, adapter, pass), pass);
      const contexts = examples.map((example) => example.context);
      const { cache } = compressInFolds(method, { model, contexts, kept, adapter }, {}, foldTokens);
      const behind = { ...pass.continuations, starts: cache.nextPositions };
      const evaluated = continuationLogits(model, behind, { cache }, pass.targetRows);
      expectClose(trained.dataSync(), evaluated.dataSync(), 1e-5);
    }
  });

  it('is saved, loaded and gone on from', () => {
    const { model } = tinyDecoder();
    const adapter = tinyTrained(method, model, overrides);
    const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
    trainable.save(folder, adapter, 'test');
    const loaded = trainable.load(folder, model.config);
    expect(trainable.settings(loaded)).toEqual(trainable.settings(adapter));
    const start = tinyTrained(method, model, overrides);
    Object.values(trainable.trained(start)).forEach((x) => x.assign(tf.zerosLike(x)));
    startFrom(trainable, start, folder, model.config);
    const [ours, theirs] = [trainable.trained(start), trainable.trained(loaded)];
    for (const [key, tensor] of Object.entries(trainable.trained(adapter))) {
      expectClose(theirs[key]!.dataSync(), tensor.dataSync(), 0, key);
      expectClose(ours[key]!.dataSync(), tensor.dataSync(), 0, key);
    }
    const wider = tinyTrained(method, model, { ...overrides, lora_r: 3 });
    expect(() => startFrom(trainable, wider, folder, model.config)).toThrow(UserError);
  });
});

it('refuses to go on from another method, or from other settings', () => {
  const { model } = tinyDecoder();
  const [kvd, dodo] = [methods.get('kvd'), methods.get('dodo')];
  const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
  kvd.trainable!.save(folder, tinyTrained(kvd, model), 'test');
  const other = tinyTrained(kvd, model, { n_sink: 2 });
  expect(() => startFrom(kvd.trainable!, other, folder, model.config)).toThrow(/n_sink \d, not 2/);
  expect(() => startFrom(dodo.trainable!, tinyTrained(dodo, model), folder, model.config)).toThrow(
    /kvd-adapter/,
  );
});

it('goes on with scores on another scale, and with keys that scores no longer scale', () => {
  const { model } = tinyDecoder();
  const kvd = methods.get('kvd');
  const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
  kvd.trainable!.save(folder, tinyTrained(kvd, model), 'test');
  const rescaled = tinyTrained(kvd, model, { scorer_bias: -2, score_spread: 1, decay: false });
  startFrom(kvd.trainable!, rescaled, folder, model.config);
  const loaded = kvd.trainable!.load(folder, model.config);
  expect(kvd.trainable!.settings(rescaled)).toMatchObject({ scorer_bias: -2, score_spread: 1, decay: false });
  for (const [name, tensor] of Object.entries(kvd.trainable!.tensors(loaded)))
    expectClose(kvd.trainable!.tensors(rescaled)[name]!.dataSync(), tensor.dataSync(), 0, name);
});

it('refuses more rows than there are memory slots', () => {
  const { model } = tinyDecoder();
  const method = methods.get('icae');
  const adapter = tinyTrained(method, model, { max_slots: 2 });
  const request = { model, contexts: [context(9)], kept: [3], adapter };
  expect(() => method.compress(request, {})).toThrow(/2 memory slots/);
});

it.each(['llama', 'gemma2'])('a bias on past rows is differentiable, and straight through (%s)', (family) => {
  const { model } = tinyDecoder(family);
  const labels = tf.tensor1d([4, 12, 2], 'int32');
  const { cache } = model.forward(makeBatch([context(5)]));
  const bias = tf.variable(tf.tensor3d([0.3, -0.2, 0.1, 0.4, -0.5], [1, 1, 5]));
  const lossOf = (given: tf.Tensor): tf.Scalar => {
    const asked = makeBatch([[3, 10, 4]], { starts: [5] });
    const { hidden } = model.forward(asked, { past: cache, pastBias: given as tf.Tensor3D });
    return crossEntropy(model.logits(hidden), labels, tf.ones([3]));
  };
  expectGradients(() => lossOf(bias), { bias });
  const through = tf.variableGrads(() => lossOf(straightThrough(bias as unknown as tf.Tensor)), [bias]);
  const plain = tf.tidy(() => lossOf(tf.zeros([1, 1, 5])).dataSync()[0]!);
  expect(through.value.dataSync()[0]).toBe(plain);
  bias.assign(tf.zerosLike(bias));
  const atZero = tf.variableGrads(() => lossOf(bias), [bias]).grads[bias.name]!;
  expectClose(through.grads[bias.name]!.dataSync(), atZero.dataSync(), 1e-6);
});
