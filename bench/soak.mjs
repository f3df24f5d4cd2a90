/**
 * A long training in miniature: 20,000 steps on a random decoder of two layers of 16, each logged to a database, a
 * checkpoint every 100. Tensors and their bytes must be the same after every step; the process's memory in the second
 * half must not pass that in the second quarter by more than 3 %.
 * `npm run build && node bench/soak.mjs [steps]`
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { datasets } from '../dist/data/index.js';
import { startEngine } from '../dist/engine/index.js';
import { kvdTrainable } from '../dist/methods/kvd.js';
import { parseModelConfig } from '../dist/models/config.js';
import { randomDecoder } from '../dist/models/random-decoder.js';
import { loadTokenizer } from '../dist/models/tokenizer.js';
import { Store } from '../dist/store/store.js';
import { distill } from '../dist/training/distill.js';

const GROWTH = 1.03;
const [steps = 20_000] = process.argv.slice(2).map(Number);
const folder = mkdtempSync(join(tmpdir(), 'kvd-soak-'));
const tokenizer = loadTokenizer(fileURLToPath(new URL('../models/nano/llama-small', import.meta.url)));
const shape = {
  ...{ model_type: 'llama', hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2, head_dim: 4 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, vocab_size: 1024, tie_word_embeddings: true },
};
const options = {
  ...{ seed: 1, kl_forward_weight: 0.6, learning_rate: 1e-3, lr_scheduler: 'constant', warmup_steps: 0 },
  ...{ adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, weight_decay: 0, max_grad_norm: 1 },
  ...{ min_lr_ratio: 0, retention_min: 0.05, retention_max: 0.8, retention_distribution: 'uniform' },
  ...{ retention_warmup_steps: 0, max_steps: steps, micro_batch_size: 1, gradient_accumulation_steps: 1 },
  ...{ eval_steps: steps, save_steps: 100, max_context_tokens: 160, max_continuation_tokens: 48 },
};

await startEngine();
const model = randomDecoder(parseModelConfig(shape, 'soak'), 1);
const adapter = kvdTrainable.fresh(model.config, { eta: 1, n_sink: 1, lora_r: 2, lora_alpha: 2 }, 1);
const store = Store.open(join(folder, 'kvd.sqlite'));
const run = store.createRun({
  ...{ kind: 'train', name: 'soak', config: options, configHash: 'soak', seed: 1, engine: {}, machine: {} },
  ...{ codeVersion: '0', gitCommit: null },
});
const tensors = new Set();
const resident = [];
const hooks = {
  report: ({ step, loss, gradientNorm }) => {
    store.addMetrics(run, step, { loss, gradient_norm: gradientNorm });
    const { numTensors, numBytes } = tf.memory();
    tensors.add(`${numTensors} tensors, ${numBytes} bytes`);
    resident.push(process.memoryUsage.rss());
    if (step % Math.ceil(steps / 20) === 0)
      console.log(`${step} steps: ${numTensors} tensors, ${(resident.at(-1) / 2 ** 20).toFixed(0)} MiB`);
  },
  validate: () => Promise.resolve(0),
  best: () => undefined,
  stop: () => false,
};
const started = performance.now();
const source = datasets.get('nano').open({}, 'train');
await distill(
  model,
  kvdTrainable,
  adapter,
  tokenizer,
  source,
  options,
  join(folder, 'state.safetensors'),
  hooks,
);
store.close();
rmSync(folder, { recursive: true });

const peak = (from, to) => Math.max(...resident.slice(from * steps, to * steps)) / 2 ** 20;
const [before, after] = [peak(0.25, 0.5), peak(0.5, 1)];
const flat = tensors.size === 1 && after <= GROWTH * before;
console.log(
  `${steps} steps in ${((performance.now() - started) / 1000).toFixed(0)} s: ${[...tensors].join(' or ')} after every step; ` +
    `at most ${before.toFixed(0)} MiB in the second quarter, ${after.toFixed(0)} MiB in the second half: ${flat ? 'flat' : 'NOT FLAT'}`,
);
process.exitCode = flat ? 0 : 1;
