/** Training that leaves the numbers stops before they reach a parameter or a checkpoint, and says where. */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { PassageSource } from '../../../src/data/passage.js';
import { startEngine } from '../../../src/engine/index.js';
import { kvd } from '../../../src/methods/kvd.js';
import { loadTokenizer } from '../../../src/models/tokenizer.js';
import { distill, type DistillHooks, type DistillOptions } from '../../../src/training/distill.js';
import { followNorm, type NormTrend } from '../../../src/training/finite.js';
import { tinyDecoder, tinyTrained } from '../../helpers/tiny.js';

beforeAll(() => startEngine());

const options: DistillOptions = {
  seed: 1,
  ...{ adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, weight_decay: 0, max_grad_norm: 1 },
  ...{ learning_rate: 1e-3, lr_scheduler: 'constant', warmup_steps: 0, min_lr_ratio: 0, max_steps: 6 },
  ...{ retention_min: 0.2, retention_max: 0.8, retention_distribution: 'uniform', retention_warmup_steps: 0 },
  ...{ kl_forward_weight: 0.6, micro_batch_size: 2, gradient_accumulation_steps: 1 },
  ...{ eval_steps: 100, save_steps: 2, max_context_tokens: 64, max_continuation_tokens: 32 },
};

/** Words of the shipped tokenizer would not fit a tiny vocabulary: ids are folded into it. */
function tinyTokenizer(): ReturnType<typeof loadTokenizer> {
  const tokenizer = loadTokenizer('models/nano/llama-small');
  return new Proxy(tokenizer, {
    get: (target, key) => {
      if (key === 'encode') return (text: string) => target.encode(text).map((id) => id % 40);
      const value = Reflect.get(target, key) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

const source: PassageSource = {
  size: Infinity,
  get: () => ({
    id: 'p',
    context: 'The color of Yusuf Silva is amber. For Mina Nolan the job is tailor.',
    questions: [{ id: 'q', question: 'what is the job of Mina Nolan?', answers: ['tailor'] }],
  }),
};

async function train(
  onReport: (step: number, variables: Record<string, tf.Variable>, statePath: string) => void,
): Promise<{ statePath: string; error: unknown; steps: number[] }> {
  const { model } = tinyDecoder();
  const adapter = tinyTrained(kvd, model);
  const trainable = kvd.trainable!;
  const statePath = join(mkdtempSync(join(tmpdir(), 'kvd-finite-')), 'state.safetensors');
  const steps: number[] = [];
  const hooks: DistillHooks = {
    report: ({ step }) => {
      steps.push(step);
      const variables = trainable.trained(adapter) as Record<string, tf.Variable>;
      onReport(step, variables, statePath);
    },
    validate: () => Promise.resolve(0),
    best: () => undefined,
    stop: () => false,
  };
  const error: unknown = await distill(
    model,
    trainable,
    adapter,
    tinyTokenizer(),
    source,
    options,
    statePath,
    hooks,
  ).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { statePath, error, steps };
}

/** Overwrites one value. */
function poison(variable: tf.Variable, value: number): void {
  const data = variable.dataSync().slice();
  data[0] = value;
  tf.tidy(() => variable.assign(tf.tensor(data, variable.shape)));
}

describe('a training in which a parameter is no longer a number', () => {
  it.each([NaN, Infinity])(
    'stops at the next step (%s), names it, and keeps the last checkpoint',
    async (value) => {
      let kept: Buffer | undefined;
      let name = '';
      const { statePath, error, steps } = await train((step, variables, path) => {
        if (step !== 3) return;
        kept = readFileSync(path);
        name = Object.keys(variables)[0]!;
        poison(variables[name]!, value);
      });
      expect(error).toMatchObject({ code: 'not-finite', where: statePath, exitCode: 1 });
      expect((error as Error).message).toContain(`at step 4; not finite: parameter ${name}`);
      expect(steps).toEqual([1, 2, 3]);
      expect(readFileSync(statePath).equals(kept!)).toBe(true);
    },
  );

  it('never writes it into a checkpoint', async () => {
    let kept: Buffer | undefined;
    let name = '';
    const { statePath, error } = await train((step, variables, path) => {
      if (step === 3) kept = readFileSync(path);
      if (step !== 4) return;
      name = Object.keys(variables).at(-1)!;
      poison(variables[name]!, NaN);
    });
    expect(error).toMatchObject({ code: 'not-finite', message: `parameter.${name} is not finite` });
    expect(readFileSync(statePath).equals(kept!)).toBe(true);
  });
});

it('a gradient norm far above its running mean is told apart once training has settled', () => {
  const trend: NormTrend = { steps: 0, mean: 0 };
  expect(followNorm(trend, 3)).toBeUndefined();
  for (let i = 0; i < 100; i++) expect(followNorm(trend, 1 + 0.5 * Math.sin(i))).toBeUndefined();
  const { mean } = trend;
  expect(followNorm(trend, 30)).toBeCloseTo(30 / mean, 10);
  // The mean moved by a fiftieth of five times itself at most, so the next one stands out as well.
  expect(trend.mean).toBeCloseTo(mean * 1.08, 10);
  expect(followNorm(trend, 30)).toBeGreaterThan(5);
  expect(followNorm(trend, 1)).toBeUndefined();
});
