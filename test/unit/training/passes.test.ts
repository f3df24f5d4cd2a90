import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { startEngine } from '../../../src/engine/index.js';
import { compressInFolds } from '../../../src/methods/folding.js';
import { kvd, kvdTrainable } from '../../../src/methods/kvd.js';
import {
  continuationLogits,
  studentLogits,
  studentPass,
  teacherPass,
  type TeacherPass,
} from '../../../src/training/passes.js';
import { mixedKl } from '../../../src/training/losses.js';
import type { KvdAdapter } from '../../../src/methods/kvd-adapter.js';
import { makeBatch } from '../../../src/models/batch.js';
import type { Decoder } from '../../../src/models/decoder.js';
import { expectGradients } from '../../helpers/gradients.js';
import { expectClose } from '../../helpers/closeness.js';
import { frozenDecoder, tinyAdapter, tinyDecoder } from '../../helpers/tiny.js';

beforeAll(() => startEngine());

const examples = [
  { id: 'a', context: [1, 5, 9, 13, 17, 21, 25, 29], continuation: [3, 10, 4, 12, 2], targets: [2, 3] },
  { id: 'b', context: [1, 8, 2, 30, 31], continuation: [3, 22, 4, 2], targets: [2] },
];
const kept = [4, 2];
const long = {
  ...examples[0]!,
  context: Array.from({ length: 25 }, (_, t) => 1 + ((7 * t) % 39)),
};
/** Contexts of three folds and of one. */
const unequal = [long, examples[1]!];

function spoken(model: Decoder, adapter: KvdAdapter, pass: TeacherPass): tf.Tensor2D {
  return studentLogits(model, studentPass(model, kvdTrainable, adapter, pass), pass);
}

describe('teacher and student', () => {
  it.each(['llama', 'gemma2'])(
    'leaves of the teacher what contexts, and continuations behind them, give by themselves (%s)',
    (family) => {
      const { model } = tinyDecoder(family);
      const contexts = makeBatch(unequal.map(({ context }) => context));
      for (const layers of [1, 2, 3, undefined]) {
        const { continuations, targetRows, hidden, normed } = teacherPass(model, unequal, kept, layers);
        const behind = model.forward(contexts);
        const { cache } = behind;
        const all = model.forward(continuations, { past: cache }).hidden;
        expectClose(
          normed!.dataSync(),
          model.finalHidden(tf.gather(all, targetRows)).dataSync(),
          1e-5,
          `${layers}`,
        );
        if (layers === undefined) {
          expect(hidden).toBeUndefined();
          continue;
        }
        const real = unequal.flatMap(({ context }, b) => context.map((_, t) => b * contexts.tokens + t));
        const [found, expected] = [hidden!, model.forward(contexts, { layers }).hidden].map((x) =>
          tf.gather(x, tf.tensor1d(real, 'int32')).dataSync(),
        );
        expect(hidden!.shape).toEqual([2 * contexts.tokens, model.config.hiddenSize]);
        expectClose(found!, expected!, 1e-5, `${layers}`);
      }
    },
  );

  it.each([true, false])(
    'masking in training gives the logits of gathering at evaluation (decay %s)',
    (decay) => {
      const { model } = tinyDecoder();
      const adapter = tinyAdapter(model, { decay });
      const pass = teacherPass(model, examples, kept, adapter.settings.eta);
      const masked = spoken(model, adapter, pass);
      const request = { model, contexts: examples.map((example) => example.context), kept, adapter };
      const { cache } = kvd.compress(request, {});
      expect(cache.keys[0]!.shape[2]).toBe(4);
      expectClose(
        masked.dataSync(),
        continuationLogits(model, pass.continuations, { cache }, pass.targetRows).dataSync(),
        1e-5,
      );
    },
  );

  it('gives with folds the logits of folds compressed and gathered at evaluation', () => {
    const { model } = tinyDecoder();
    const adapter = tinyAdapter(model);
    for (const asked of [
      [5, 2],
      [1, 1],
    ]) {
      const pass = teacherPass(model, unequal, asked, adapter.settings.eta, { foldTokens: 10 });
      expect(pass.parts).toEqual([3, 1]);
      const contexts = unequal.map(({ context }) => context);
      const { cache, kept: rows } = compressInFolds(kvd, { model, contexts, kept: asked, adapter }, {}, 10);
      expect(rows).toEqual([Math.max(3, asked[0]!), asked[1]]);
      expectClose(
        spoken(model, adapter, pass).dataSync(),
        continuationLogits(model, pass.continuations, { cache }, pass.targetRows).dataSync(),
        1e-5,
      );
    }
  });

  it('is the same with folds that no context fills', () => {
    const { model } = tinyDecoder();
    const adapter = tinyAdapter(model);
    const logitsWith = (foldTokens: number | undefined): ArrayLike<number> => {
      const pass = teacherPass(model, examples, kept, adapter.settings.eta, { foldTokens });
      return spoken(model, adapter, pass).dataSync();
    };
    expect(logitsWith(8)).toEqual(logitsWith(undefined));
  });

  it('keeps the teacher whole where the student folds', () => {
    const { model } = tinyDecoder();
    const logitsWith = (foldTokens: number): ArrayLike<number> =>
      teacherPass(model, unequal, kept, 1, { foldTokens }).normed!.dataSync();
    expect(logitsWith(10)).toEqual(logitsWith(Infinity));
  });

  it.each([
    ['llama', Infinity],
    ['gemma2', Infinity],
    ['llama', 10],
    ['gemma2', 10],
  ])(
    'gradients are those of finite differences, for scorer and every matrix (%s, folds of %s)',
    (family, foldTokens) => {
      const model = frozenDecoder(tinyDecoder(family).model);
      const adapter = tinyAdapter(model);
      // As many rows as keep the scores on both sides of each cut too far apart for a step to swap them.
      const [batch, rows] = foldTokens === Infinity ? [examples, kept] : [unequal, [16, 4]];
      const pass = teacherPass(model, batch, rows, adapter.settings.eta, { foldTokens });
      const loss = (): tf.Scalar => {
        const student = spoken(model, adapter, pass);
        return mixedKl(model.project(pass.normed!), student, tf.ones([student.shape[0]]), 0.6);
      };
      expectGradients(loss, kvdTrainable.trained(adapter));
    },
  );

  it('without decay trains all but the scorer, which no gradient reaches', () => {
    const { model } = tinyDecoder();
    const adapter = tinyAdapter(model, { decay: false });
    const trained = kvdTrainable.trained(adapter);
    const pass = teacherPass(model, examples, kept, adapter.settings.eta);
    const { grads } = tf.variableGrads(() => tf.sum(spoken(model, adapter, pass)), Object.values(trained));
    expect(Object.keys(trained).some((name) => name.startsWith('scorer'))).toBe(false);
    for (const [name, { name: key }] of Object.entries(trained)) expect(grads[key], name).not.toBeNull();
  });
});
