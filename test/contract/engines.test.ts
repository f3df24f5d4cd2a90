/** Every engine computes what the others do: forward passes, compressed caches, a whole training step. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { engines } from '../../src/engine/index.js';
import { methods } from '../../src/methods/index.js';
import { kvdTrainable } from '../../src/methods/kvd.js';
import { makeBatch } from '../../src/models/batch.js';
import { greedy } from '../../src/models/generate.js';
import { mixedKl } from '../../src/training/losses.js';
import { studentLogits, studentPass, teacherPass } from '../../src/training/passes.js';
import { expectClose } from '../helpers/closeness.js';
import { frozenDecoder, tinyAdapter, tinyDecoder, tinyTrained } from '../helpers/tiny.js';

const [reference, ...others] = engines.names();
const contexts = Array.from({ length: 3 }, (_, row) =>
  Array.from({ length: 31 - row }, (_, t) => 1 + ((7 * t + 3 * row) % 39)),
);
const questions = contexts.map((_, row) => [3, 10 + row, 4]);
const kept = [7, 5, 3];

type Results = Record<string, ArrayLike<number>>;

function compute(family: string): Results {
  const model = frozenDecoder(tinyDecoder(family).model);
  const adapter = tinyAdapter(model);
  const results: Results = {};
  results.logits = tf.tidy(() => model.logits(model.forward(makeBatch(contexts), {}).hidden).dataSync());
  for (const name of methods.names()) {
    const method = methods.get(name);
    const request = {
      model,
      contexts,
      kept,
      ...(method.needs.question && { questions }),
      ...(method.needs.training && { adapter: tinyTrained(method, model) }),
    };
    const { cache } = method.compress(request, {});
    cache.keys.forEach((keys, layer) => (results[`${name} keys ${layer}`] = keys.dataSync()));
    results[`${name} answers`] = greedy(model, cache, questions, { maxNewTokens: 4, eosIds: [] }).flat();
  }
  const examples = contexts.map((context, row) => ({
    id: `${row}`,
    context,
    continuation: [...questions[row]!, 12, 2],
    targets: [2, 3],
  }));
  const pass = teacherPass(model, examples, kept, adapter.settings.eta);
  const trained = Object.entries(kvdTrainable.trained(adapter));
  const { value, grads } = tf.variableGrads(
    () => {
      const student = studentLogits(model, studentPass(model, kvdTrainable, adapter, pass), pass);
      return mixedKl(model.project(pass.normed!), student, tf.ones([student.shape[0]]), 0.6);
    },
    trained.map(([, matrix]) => matrix),
  );
  results.loss = value.dataSync();
  for (const [name, matrix] of trained) {
    results[`gradient of ${name}`] = grads[matrix.name]!.dataSync();
  }
  return results;
}

const families = ['llama', 'gemma2'];

async function computeOn(engine: string): Promise<Results[]> {
  await engines.get(engine).start();
  return families.map(compute);
}

describe.each(others)(`engine %s against ${reference}`, (engine) => {
  it(`agrees on ${families.join(' and ')}`, async () => {
    const expected = await computeOn(reference!);
    const actual = await computeOn(engine);
    families.forEach((family, i) => {
      expect(Object.keys(actual[i]!)).toEqual(Object.keys(expected[i]!));
      for (const [name, values] of Object.entries(expected[i]!)) {
        expectClose(actual[i]![name]!, values, 1e-4, `${family}: ${name}`);
      }
    });
  });
});
