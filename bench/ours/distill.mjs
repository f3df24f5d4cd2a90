/** Steps of `kvd train`, by the training loop itself, on passages of one length. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kvdTrainable } from '../../dist/methods/kvd.js';
import { distill } from '../../dist/training/distill.js';
import { frozenDecoder, randomIds } from './model.mjs';

/** Texts are token ids in decimal, so that lengths are known. */
const tokenizer = {
  encode: (given) =>
    [given]
      .flat()
      .filter((text) => typeof text === 'string')
      .flatMap((text) => text.split(' ').filter(Boolean).map(Number)),
  bosId: 1,
  eosId: 2,
  padId: 0,
  prefixIds: [1],
  promptTemplate: { head: '', question: '', answer: '', whole: false },
};

export function prepare(work, shape) {
  const model = frozenDecoder(shape);
  const text = (count, seed) => randomIds(count, shape.vocabulary, seed).join(' ');
  const half = work.continuation / 2;
  const source = {
    size: Infinity,
    get: (i) => ({
      id: `${i}`,
      context: text(work.context - 1, `context/${i}`),
      questions: [
        { id: '0', question: text(half, `question/${i}`), answers: [text(half - 1, `answer/${i}`)] },
      ],
    }),
  };
  const adapter = kvdTrainable.fresh(
    model.config,
    { eta: work.eta, n_sink: 1, lora_r: work.rank, lora_alpha: 2 },
    1,
  );
  const retention = work.kept / work.context;
  const options = {
    ...{ seed: 1, kl_forward_weight: 0.6, max_steps: 1e6, micro_batch_size: work.batch, max_grad_norm: 1 },
    ...{
      learning_rate: 1e-4,
      lr_scheduler: 'constant',
      min_lr_ratio: 1,
      warmup_steps: 0,
      weight_decay: 0.01,
    },
    ...{ adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, gradient_accumulation_steps: 1 },
    ...{ retention_min: retention, retention_max: retention, retention_warmup_steps: 0, eval_steps: 1 },
    ...{ save_steps: 1e9, max_context_tokens: work.context, max_continuation_tokens: work.continuation },
  };
  // The loop waits in its validation, once a step, until the next one is asked for.
  let resume;
  let stepped;
  let stopped = false;
  const hooks = {
    report: () => undefined,
    validate: () =>
      new Promise((resolve) => {
        resume = () => resolve(0);
        stepped?.();
      }),
    best: () => undefined,
    stop: () => stopped,
  };
  const state = join(tmpdir(), `kvd-bench-${process.pid}`);
  const started = new Promise((resolve) => {
    stepped = resolve;
  });
  void distill(model, kvdTrainable, adapter, tokenizer, source, options, state, hooks);
  return started.then(() => ({
    run: () =>
      new Promise((resolve) => {
        stepped = resolve;
        resume();
      }),
    dispose: () => {
      process.exitCode = 0;
      stopped = true;
    },
  }));
}
