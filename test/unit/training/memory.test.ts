/** What training keeps in memory: layers computed again, losses in pieces, accumulation, nothing left behind. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { datasets } from '../../../src/data/index.js';
import { startEngine } from '../../../src/engine/index.js';
import { Random } from '../../../src/engine/random.js';
import { kvdTrainable } from '../../../src/methods/kvd.js';
import { methods } from '../../../src/methods/index.js';
import type { KvdAdapter } from '../../../src/methods/kvd-adapter.js';
import { loadDecoder } from '../../../src/models/checkpoint.js';
import type { Decoder } from '../../../src/models/decoder.js';
import { loadTokenizer } from '../../../src/models/tokenizer.js';
import { distill, type DistillOptions, type DistillReport } from '../../../src/training/distill.js';
import { objectives } from '../../../src/training/objectives/index.js';
import { studentPass, teacherPass } from '../../../src/training/passes.js';
import { expectClose } from '../../helpers/closeness.js';
import { tinyDecoder, tinyTrained } from '../../helpers/tiny.js';

beforeAll(() => startEngine());

const context = (length: number): number[] => Array.from({ length }, (_, t) => 1 + ((7 * t) % 39));
const examples = [
  { id: 'a', context: context(25), continuation: [3, 10, 4, 12, 2], targets: [2, 3] },
  { id: 'b', context: context(7), continuation: [3, 22, 4, 2], targets: [2] },
];

/** The step of `name` on folded contexts, with the loss of `objectiveName`. */
function step(
  model: Decoder,
  name: string,
  objectiveName: string,
): { loss: () => tf.Scalar; trained: Record<string, tf.Variable> } {
  const { trainable } = methods.get(name);
  const objective = objectives.get(objectiveName);
  const adapter = tinyTrained(methods.get(name), model, name === 'icae' ? { max_slots: 4 } : {});
  const layers = trainable!.frozenLayers(adapter);
  const teacher = teacherPass(model, examples, [7, 3], layers, { foldTokens: 10 });
  const parameters = objective.parameters(model);
  const fixed = { model, examples, teacher, parameters, options: { kl_forward_weight: 0.6 } };
  return {
    loss: () => {
      const student = studentPass(model, trainable!, adapter, teacher);
      return objective.loss({ ...fixed, student, random: new Random('memory') });
    },
    trained: { ...trainable!.trained(adapter), ...parameters },
  };
}

describe('gradient checkpointing', () => {
  it.each([
    ['kvd', 'kl', 'llama'],
    ['kvd', 'kl', 'gemma2'],
    ['dodo', 'ae_lm', 'llama'],
    ['icae', 'ae_lm', 'llama'],
  ])('%s by %s on %s: the same loss and gradients to the last bit', (name, objective, family) => {
    const { model } = tinyDecoder(family);
    const { loss, trained } = step(model, name, objective);
    const all = (): Record<string, ArrayLike<number>> => {
      const { value, grads } = tf.variableGrads(loss, Object.values(trained));
      const named = Object.entries(trained).map(([key, { name }]) => [key, grads[name]!.dataSync()]);
      return { loss: value.dataSync(), ...(Object.fromEntries(named) as Record<string, ArrayLike<number>>) };
    };
    const plain = all();
    for (const attentionBlock of [model.attentionBlock, 300]) {
      Object.assign(model, { checkpointLayers: true, attentionBlock });
      const before = tf.memory().numTensors;
      const again = all();
      expect(tf.memory().numTensors - before).toBe(Object.keys(again).length);
      for (const [key, values] of Object.entries(plain)) {
        if (attentionBlock > 300) expect(again[key], key).toEqual(values);
        else expectClose(again[key]!, values, 1e-5, key);
      }
    }
  });

  it('reaches weights that are trained themselves', () => {
    const { model, weights } = tinyDecoder();
    const [first] = weights.layers as unknown as Record<string, tf.Variable>[];
    const { loss } = step(model, 'kvd', 'kl');
    const gradientOf = (): ArrayLike<number> =>
      tf.variableGrads(loss, [first!.gateUp!]).grads[first!.gateUp!.name]!.dataSync();
    const plain = gradientOf();
    model.checkpointLayers = true;
    expect(gradientOf()).toEqual(plain);
  });

  it('holds the activations of one layer at a time', async () => {
    const model = loadDecoder('models/nano/llama-large');
    const adapter = tinyTrained(methods.get('kvd'), model) as KvdAdapter;
    const long = examples.map((example) => ({ ...example, context: context(200) }));
    const teacher = teacherPass(model, long, [50, 20], 1);
    const variables = Object.values(kvdTrainable.trained(adapter));
    const before = tf.memory().numBytes;
    const peak = async (): Promise<number> => {
      const { peakBytes } = await tf.profile(() => {
        const { value, grads } = tf.variableGrads(
          () =>
            objectives.get('kl').loss({
              model,
              examples: long,
              teacher,
              student: studentPass(model, kvdTrainable, adapter, teacher),
              parameters: {},
              options: { kl_forward_weight: 0.6 },
              random: new Random('memory'),
            }),
          variables,
        );
        tf.dispose([value, grads]);
        return value;
      });
      return peakBytes - before;
    };
    const plain = await peak();
    model.checkpointLayers = true;
    expect(await peak()).toBeLessThan(0.75 * plain);
    model.dispose();
  });
});

it('marks logits in pieces, never all at once, with the gradients of the whole', async () => {
  const { model } = tinyDecoder('gemma2');
  const { loss, trained } = step(model, 'kvd', 'kl');
  const gradients = (): tf.NamedTensorMap => tf.variableGrads(loss, Object.values(trained)).grads;
  const whole = gradients();
  model.logitBlock = model.config.vocabSize;
  const shapes: number[][] = [];
  const { kernels } = await tf.profile(() => {
    tf.dispose(gradients());
    return tf.scalar(0);
  });
  for (const { outputShapes } of kernels) shapes.push(...(outputShapes as number[][]));
  const logits = shapes.filter((shape) => shape.length === 2 && shape[1] === model.config.vocabSize);
  expect(logits.length).toBeGreaterThan(0);
  expect(Math.max(...logits.map(([rows]) => rows!))).toBe(1);
  const pieces = gradients();
  for (const [name, { name: key }] of Object.entries(trained)) {
    expectClose(pieces[key]!.dataSync(), whole[key]!.dataSync(), 1e-6, name);
  }
});

describe('the training loop', () => {
  const folder = 'models/nano/llama-small';
  const options: DistillOptions = {
    seed: 1,
    kl_forward_weight: 0.6,
    // With so great an ε a step is as long as its gradient, not as its gradient's sign.
    ...{ adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1, weight_decay: 0, max_grad_norm: 1e9 },
    ...{ learning_rate: 1, lr_scheduler: 'constant', warmup_steps: 0, min_lr_ratio: 0 },
    ...{ retention_min: 0.05, retention_max: 0.8, retention_distribution: 'uniform' },
    retention_warmup_steps: 0,
    max_steps: 1,
    micro_batch_size: 4,
    gradient_accumulation_steps: 1,
    eval_steps: 100,
    save_steps: 100,
    max_context_tokens: 160,
    max_continuation_tokens: 48,
  };

  async function train(
    changes: Partial<DistillOptions>,
    report: (report: DistillReport) => void,
  ): Promise<Float32Array[]> {
    const model = loadDecoder(folder);
    const sizes = { eta: 2, n_sink: 1, lora_r: 4, lora_alpha: 2 };
    const adapter = kvdTrainable.fresh(model.config, sizes, 1);
    const state = join(mkdtempSync(join(tmpdir(), 'kvd-memory-')), 'state.safetensors');
    const hooks = { report, validate: () => Promise.resolve(0), best: () => undefined, stop: () => false };
    const source = datasets.get('nano').open({}, 'train');
    await distill(
      model,
      kvdTrainable,
      adapter,
      loadTokenizer(folder),
      source,
      { ...options, ...changes },
      state,
      hooks,
    );
    model.dispose();
    const weights = Object.values(kvdTrainable.trained(adapter));
    const values = weights.map((weight) => weight.dataSync() as Float32Array);
    tf.dispose(weights);
    return values;
  }

  it('takes the step of one batch where it accumulates over micro-batches of unequal lengths', async () => {
    const reports: DistillReport[] = [];
    const whole = await train({}, (report) => reports.push(report));
    const parts = await train({ micro_batch_size: 1, gradient_accumulation_steps: 4 }, (report) =>
      reports.push(report),
    );
    expectClose([reports[1]!.loss], [reports[0]!.loss], 1e-6);
    expect(reports[0]!.gradientNorm).toBeGreaterThan(1e-3);
    expectClose([reports[1]!.gradientNorm], [reports[0]!.gradientNorm], 1e-5);
    parts.forEach((values, i) => expectClose(values, whole[i]!, 1e-5));
  });

  it.each([false, true])(
    'leaves no tensor and no byte behind from step to step (checkpointing %s)',
    async (gradient_checkpointing) => {
      const seen: { numTensors: number; numBytes: number }[] = [];
      await train(
        {
          gradient_checkpointing,
          max_steps: 4,
          micro_batch_size: 2,
          gradient_accumulation_steps: 2,
          fold_tokens: 60,
        },
        () => {
          const { numTensors, numBytes } = tf.memory();
          seen.push({ numTensors, numBytes });
        },
      );
      expect(seen).toHaveLength(4);
      expect(new Set(seen.slice(1).map((memory) => JSON.stringify(memory))).size).toBe(1);
      expect(seen[1]).toEqual(seen[0]);
    },
  );
});
