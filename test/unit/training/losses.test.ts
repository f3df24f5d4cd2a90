import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { startEngine } from '../../../src/engine/index.js';
import { Random } from '../../../src/engine/random.js';
import { openSafetensors } from '../../../src/models/safetensors.js';
import { AdamW, clipCoefficient } from '../../../src/training/adamw.js';
import { crossEntropy, klRows, mixedKl } from '../../../src/training/losses.js';
import { learningRateAt } from '../../../src/training/schedule.js';
import { expectClose } from '../../helpers/closeness.js';
import { golden } from '../../helpers/golden.js';

beforeAll(() => startEngine());

describe('KL divergences against PyTorch', () => {
  const reference = openSafetensors(`${golden('kl')}/reference.safetensors`);
  const lora = openSafetensors(`${golden('llama8-lora')}/reference.safetensors`);
  const logits = (name: string): tf.Tensor2D => {
    const { data, shape } = lora.readFloat(name);
    return tf.tensor2d(data, [shape[0]! * shape[1]!, shape[2]!]);
  };

  it('forward and reverse agree on every row', () => {
    const { forward, reverse } = klRows(logits('logits_base'), logits('logits_adapter'));
    expectClose(forward.dataSync(), reference.readFloat('forward_kl').data, 1e-5);
    expectClose(reverse.dataSync(), reference.readFloat('reverse_kl').data, 1e-5);
  });

  it.each([
    [1, 'forward'],
    [0, 'reverse'],
    [0.6, 'mixed'],
  ])('loss and gradient agree for λ = %s', (weight, name) => {
    const p = logits('logits_base');
    const q = tf.variable(logits('logits_adapter'));
    const rows = p.shape[0] / 2;
    const mask = Array.from({ length: p.shape[0] }, (_, i) => (i % rows >= rows - 20 ? 1 : 0));
    const { value, grads } = tf.variableGrads(
      () => mixedKl(p, q as unknown as tf.Tensor2D, tf.tensor1d(mask), weight),
      [q],
    );
    expectClose(value.dataSync(), reference.readFloat(`loss_${name}`).data, 1e-5);
    const gradient = tf.reshape(grads[q.name]!, [2, rows, -1]);
    const last = tf.slice(gradient, [0, rows - 20, 0], [-1, 20, -1]);
    expectClose(last.dataSync(), reference.readFloat(`grad_${name}`).data, 1e-7);
    expect(tf.max(tf.abs(tf.slice(gradient, [0, 0, 0], [-1, rows - 20, -1]))).dataSync()[0]).toBe(0);
  });
});

it('cross entropy and its gradient are those of a softmax written down', () => {
  const [rows, vocabulary] = [5, 37];
  const random = new Random('cross entropy');
  const numbers = Array.from({ length: rows * vocabulary }, () => 4 * random.normal());
  const labels = Array.from({ length: rows }, () => random.int(vocabulary));
  const weights = [1, 0.5, 0, 2, 1];
  const total = weights.reduce((a, b) => a + b);
  let expected = 0;
  const slopes = weights.flatMap((weight, row) => {
    const exponentials = numbers.slice(row * vocabulary, (row + 1) * vocabulary).map(Math.exp);
    const sum = exponentials.reduce((a, b) => a + b);
    expected -= (weight / total) * Math.log(exponentials[labels[row]!]! / sum);
    return exponentials.map((e, i) => (weight / total) * (e / sum - (i === labels[row] ? 1 : 0)));
  });
  const logits = tf.variable(tf.tensor2d(numbers, [rows, vocabulary]));
  const { value, grads } = tf.variableGrads(
    () => crossEntropy(logits as unknown as tf.Tensor2D, tf.tensor1d(labels, 'int32'), tf.tensor1d(weights)),
    [logits],
  );
  expectClose(value.dataSync(), [expected], 1e-6);
  expectClose(grads[logits.name]!.dataSync(), slopes, 1e-6);
});

describe('AdamW against torch.optim.AdamW', () => {
  const reference = openSafetensors(`${golden('adamw')}/reference.safetensors`);
  const read = (name: string): tf.Tensor => {
    const { data, shape } = reference.readFloat(name);
    return tf.tensor(data, shape);
  };

  it.each([
    [5e-5, ''],
    [1e-2, 'lr1e-2.'],
  ])('five steps at learning rate %s agree', (rate, prefix) => {
    const parameters = { w: tf.variable(read('w.0')), b: tf.variable(read('b.0')) };
    const optimiser = new AdamW(parameters, {
      adam_beta1: 0.9,
      adam_beta2: 0.999,
      adam_epsilon: 1e-8,
      weight_decay: 0.01,
    });
    for (let step = 1; step <= 5; step++) {
      optimiser.update({ w: read(`w_grad.${step}`), b: read(`b_grad.${step}`) }, rate);
      expectClose(parameters.w.dataSync(), reference.readFloat(`${prefix}w.${step}`).data, 1e-6);
      if (prefix === '') expectClose(parameters.b.dataSync(), reference.readFloat(`b.${step}`).data, 1e-6);
    }
    expectClose(optimiser.first.w!.dataSync(), reference.readFloat('w_exp_avg.5').data, 1e-6);
    expectClose(optimiser.second.w!.dataSync(), reference.readFloat('w_exp_avg_sq.5').data, 1e-6);
  });

  it('clips by the joint norm as clip_grad_norm_ does', () => {
    const given = { w: read('w_grad.3'), b: read('b_grad.3') };
    const { coefficient, norm } = clipCoefficient(given, 1);
    expectClose([norm], reference.readFloat('clip1.norm_before').data, 1e-6);
    expectClose(tf.mul(given.w, coefficient).dataSync(), reference.readFloat('clip1.w_grad').data, 1e-6);
    expectClose(tf.mul(given.b, coefficient).dataSync(), reference.readFloat('clip1.b_grad').data, 1e-6);
  });
});

describe('learning rate', () => {
  const options = {
    learning_rate: 1,
    lr_scheduler: 'linear' as const,
    warmup_steps: 10,
    min_lr_ratio: 0.05,
    max_steps: 100,
  };
  it('warms up, decays and stays above its floor', () => {
    expect(learningRateAt(5, options)).toBeCloseTo(0.5 * 0.95);
    expect(learningRateAt(50, options)).toBeCloseTo(0.5);
    expect(learningRateAt(100, options)).toBeCloseTo(0.05);
    expect(learningRateAt(50, { ...options, lr_scheduler: 'cosine' })).toBeCloseTo(0.5);
    expect(learningRateAt(50, { ...options, lr_scheduler: 'constant' })).toBe(1);
  });
});
