/** Everything that can be trained or evaluated runs without numbers too, so that it can be planned. */
import { expect, it } from 'vitest';
import { cellCost } from '../../src/evaluation/cell-cost.js';
import { methods } from '../../src/methods/index.js';
import { architectures } from '../../src/models/architectures/index.js';
import { tasks } from '../../src/tasks/index.js';
import type { DistillOptions } from '../../src/training/distill.js';
import { objectives } from '../../src/training/objectives/index.js';
import { stepCost } from '../../src/training/step-cost.js';
import { tinyConfig } from '../helpers/tiny.js';

const training: DistillOptions = {
  seed: 1,
  kl_forward_weight: 0.6,
  ...{ adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, weight_decay: 0, max_grad_norm: 1 },
  ...{ learning_rate: 1e-3, lr_scheduler: 'linear', warmup_steps: 1, min_lr_ratio: 0, max_steps: 9 },
  ...{ retention_min: 0.1, retention_max: 0.5, retention_distribution: 'uniform', retention_warmup_steps: 0 },
  ...{ eval_steps: 9, save_steps: 9, max_context_tokens: 30, max_continuation_tokens: 6 },
  micro_batch_size: 2,
  gradient_accumulation_steps: 2,
  gradient_checkpointing: true,
  fold_tokens: 16,
};
const sizes = { eta: 1, lora_r: 2, max_slots: 40 };

async function expectCosts(name: string, family: string, fused: boolean): Promise<void> {
  const method = methods.get(name);
  const methodOptions = Object.fromEntries(
    Object.entries(sizes).filter(([option]) => method.needs.training && option in method.options.shape),
  );
  const config = tinyConfig(family);
  for (const task of [tasks.get('nano-long-qa'), tasks.get('continuation')]) {
    const request = {
      ...{ config, method, methodOptions, task, context: 30, keptRows: () => 6 },
      ...{ foldTokens: 16, batch: { samples: 2, contexts: 2 }, maxNewTokens: 8, intrinsic: true },
    };
    const { memory, work } = await cellCost(request, fused);
    expect(memory.weights).toBeGreaterThan(0);
    expect(memory.activations).toBeGreaterThan(0);
    expect(work[0].length).toBeGreaterThan(10);
    expect(work[1].length > work[0].length).toBe(task.mode === 'generate');
  }
  for (const objective of method.needs.training ? objectives.names() : []) {
    const lengths = { context: 30, continuation: 6 };
    const options = { ...training, objective };
    const cost = await stepCost(config, method.trainable!, methodOptions, options, lengths, fused);
    expect(cost.trained).toBeGreaterThan(0);
    expect(cost.work[1].length).toBeGreaterThan(cost.work[0].length);
  }
}

it.each(methods.names())('method %s', (name) => expectCosts(name, 'llama', false));

it.each(architectures.names())('architecture %s, with our own kernels', (family) =>
  expectCosts('kvd', family, true),
);
