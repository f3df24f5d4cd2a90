/** The memory that a plan foresees against the memory that is taken. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { fusedAvailable } from '../../../src/engine/fused.js';
import { startEngine } from '../../../src/engine/index.js';
import { cellCost } from '../../../src/evaluation/cell-cost.js';
import { methods } from '../../../src/methods/index.js';
import { evaluateBatch } from '../../../src/evaluation/evaluate.js';
import { disposeAdapter } from '../../../src/methods/trainable.js';
import { loadDecoder } from '../../../src/models/checkpoint.js';
import { loadTokenizer } from '../../../src/models/tokenizer.js';
import { tasks } from '../../../src/tasks/index.js';
import { AdamW } from '../../../src/training/adamw.js';
import type { DistillOptions } from '../../../src/training/distill.js';
import { stepCost } from '../../../src/training/step-cost.js';
import { openCourse, takeStep } from '../../../src/training/step.js';
import { peakBytes } from '../../helpers/peak.js';

beforeAll(() => startEngine());

const options: DistillOptions = {
  seed: 1,
  kl_forward_weight: 0.6,
  ...{ adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, weight_decay: 0, max_grad_norm: 1 },
  ...{ learning_rate: 1e-3, lr_scheduler: 'linear', warmup_steps: 1, min_lr_ratio: 0, max_steps: 9 },
  ...{ retention_min: 0.1, retention_max: 0.5, retention_distribution: 'uniform', retention_warmup_steps: 0 },
  ...{ eval_steps: 9, save_steps: 9, max_context_tokens: 300, max_continuation_tokens: 30 },
  micro_batch_size: 2,
  gradient_accumulation_steps: 2,
};

it.each([
  ['llama-small', 'kvd', {}],
  ['llama-large', 'kvd', { gradient_checkpointing: true, fold_tokens: 100 }],
  ['gemma2-small', 'kvd', { gradient_checkpointing: true }],
  ['llama-small', 'icae', { objective: 'ae_lm', gradient_checkpointing: true }],
])('foresees the memory of a step of %s, %s, %j within 2 %', async (name, methodName, changes) => {
  const given = { ...options, ...changes } as DistillOptions;
  const { trainable } = methods.get(methodName);
  const model = loadDecoder(`models/nano/${name}`);
  const sizes = methodName === 'icae' ? { max_slots: 200, lora_r: 16 } : { eta: 2, lora_r: 16 };
  const lengths = { context: 300, continuation: 30 };
  const cost = await stepCost(model.config, trainable!, sizes, given, lengths, fusedAvailable());
  const adapter = trainable!.fresh(model.config, sizes, 1);
  const course = openCourse(model, trainable!, adapter, given);
  const optimiser = new AdamW(course.trained, given);
  const example = {
    id: 'a',
    context: Array.from({ length: 300 }, (_, t) => t % 100),
    continuation: Array.from({ length: 30 }, (_, t) => t),
    targets: Array.from({ length: 29 }, (_, t) => t),
  };
  const batch = { examples: [example, example], kept: [150, 150], share: 0.5 };
  const peak = await peakBytes(() => takeStep(course, optimiser, [batch, batch], 1, ''));
  const { memory } = cost;
  expect(cost.trained).toBe(Object.values(course.trained).reduce((sum, { size }) => sum + size, 0));
  const ratio = (memory.gradients + memory.activations) / peak;
  expect(ratio).toBeGreaterThan(0.98);
  expect(ratio).toBeLessThan(1.02);
  expect(tf.engine().backendName).toBe('tensorflow');
  optimiser.dispose();
  tf.dispose(Object.values(course.parameters));
  disposeAdapter(trainable!, adapter);
  model.dispose();
});

it.each([
  ['kvd', 4],
  ['kvd', 1],
  ['h2a', 4],
  ['h2a', 1],
  // It reads the question, and so compresses a context once for each.
  ['finch', 1],
])(
  'foresees the memory of an evaluation with %s of 4 samples on %i contexts within 10 %',
  async (name, contexts) => {
    const method = methods.get(name);
    const model = loadDecoder('models/nano/llama-large');
    const tokenizer = loadTokenizer('models/nano/llama-large');
    const methodOptions = method.needs.training ? { eta: 2, lora_r: 16 } : {};
    const request = {
      ...{ method, methodOptions, task: tasks.get('nano-qa'), maxNewTokens: 8, intrinsic: true },
      keptRows: () => 60,
      foldTokens: 150,
    };
    const cost = await cellCost(
      { ...request, config: model.config, context: 300, batch: { samples: 4, contexts } },
      fusedAvailable(),
    );
    const adapter = method.trainable?.fresh(model.config, methodOptions, 1);
    const ids = (count: number): number[] => Array.from({ length: count }, (_, t) => 10 + (t % 100));
    const batch = Array.from({ length: 4 }, (_, i) => ({
      sample: { id: `${i}`, context: `${i % contexts}`, question: '', answers: [''], tags: [] },
      ...{ context: ids(300), question: ids(32), reference: ids(32), choices: [] },
    }));
    const evaluated = { ...request, batchSize: 4, model, tokenizer, ...(adapter && { adapter }) };
    // Twice, since the first batch may need most before all matrices are packed.
    const peak = await peakBytes(async () => {
      await evaluateBatch(evaluated, batch);
      await evaluateBatch(evaluated, batch);
    });
    expect(cost.memory.activations / peak).toBeGreaterThan(0.9);
    expect(cost.memory.activations / peak).toBeLessThan(1.1);
    if (adapter !== undefined) disposeAdapter(method.trainable!, adapter);
    model.dispose();
  },
);
