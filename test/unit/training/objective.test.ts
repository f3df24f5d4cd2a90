import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { startEngine } from '../../../src/engine/index.js';
import { kvd } from '../../../src/methods/kvd.js';
import { adapterMatrices } from '../../../src/methods/kvd-adapter.js';
import { continuationLogits, studentLogits, teacherPass } from '../../../src/training/objective.js';
import { mixedKl } from '../../../src/training/losses.js';
import { expectClose } from '../../helpers/closeness.js';
import { tinyAdapter, tinyDecoder } from '../../helpers/tiny.js';

beforeAll(() => startEngine());

const examples = [
  { id: 'a', context: [1, 5, 9, 13, 17, 21, 25, 29], continuation: [3, 10, 4, 12, 2], targets: [2, 3] },
  { id: 'b', context: [1, 8, 2, 30, 31], continuation: [3, 22, 4, 2], targets: [2] },
];
const kept = [4, 2];

describe('the training objective', () => {
  it.each([true, false])(
    'masking in training gives the logits of gathering at evaluation (decay %s)',
    (decay) => {
      const { model } = tinyDecoder();
      const adapter = tinyAdapter(model, { decay });
      const pass = teacherPass(model, examples, adapter.settings.eta);
      const masked = studentLogits(model, adapter, pass, kept);
      const request = { model, contexts: examples.map((example) => example.context), kept, adapter };
      const { cache } = kvd.compress(request, {});
      expect(cache.keys[0]!.shape[2]).toBe(4);
      expectClose(
        masked.dataSync(),
        continuationLogits(model, pass.continuations, cache, pass.targetRows).dataSync(),
        1e-5,
      );
    },
  );

  it.each(['llama', 'gemma2'])(
    'gradients are those of finite differences, for scorer and every matrix (%s)',
    (family) => {
      const { model } = tinyDecoder(family);
      const adapter = tinyAdapter(model);
      const pass = teacherPass(model, examples, adapter.settings.eta);
      const loss = (): tf.Scalar => {
        const student = studentLogits(model, adapter, pass, kept);
        return mixedKl(pass.logits, student, tf.ones([student.shape[0]]), 0.6);
      };
      const last = model.config.numLayers - 1;
      const matrices = Object.entries(adapterMatrices(adapter)).filter(
        ([name]) => !name.startsWith(`layers.${last}.q`) && !name.startsWith(`layers.${last}.o`),
      );
      const variables = matrices.map(([, matrix]) => matrix as unknown as tf.Variable);
      const { grads } = tf.variableGrads(loss, variables);
      for (const [name, matrix] of matrices) {
        const variable = matrix as unknown as tf.Variable;
        const gradient = grads[variable.name]!.dataSync();
        const norm = Math.hypot(...gradient);
        expect(norm, name).toBeGreaterThan(0);
        // Along the gradient's own direction the slope is its norm.
        const direction = tf.tensor(
          Float32Array.from(gradient, (value) => value / norm),
          variable.shape,
        );
        const original = variable.clone();
        const at = (distance: number): number => {
          variable.assign(tf.add(original, tf.mul(direction, distance)));
          return tf.tidy(() => loss().dataSync()[0]!);
        };
        const step = 4e-3;
        const slope = (at(step) - at(-step)) / (2 * step);
        variable.assign(original);
        expect(
          Math.abs(slope - norm) / Math.max(norm, 0.02),
          `${name}: slope ${slope}, gradient ${norm}`,
        ).toBeLessThan(0.03);
      }
    },
  );
});
