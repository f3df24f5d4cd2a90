#!/usr/bin/env node
/**
 * The memory that `kvd plan` foresees beside what `kvd train` and `kvd eval` take, of nano models: short contexts in
 * batches, and long ones in folds, with gradient checkpointing and without; evaluations with a context for each sample,
 * and with eight questions to a context. `node bench/memory.mjs`; bench/midsize.mjs does the same for a model of 159M
 * parameters.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { header, largest, memoryRows, runner } from './planned.mjs';

const method = '{ name: kvd, eta: 2, n_sink: 1, lora_r: 16, lora_alpha: 2 }';
const short = `data: { name: nano }
training: { micro_batch_size: 64, max_context_tokens: 80, max_continuation_tokens: 60, eval_task: nano-qa }
evaluation: { task: nano-qa, batch_size: 64 }`;
const long = (checkpointing, task) => `data: { name: nano-long }
training:
  micro_batch_size: 8
  fold_tokens: 256
  min_context_tokens: 1000
  max_context_tokens: 1100
  max_continuation_tokens: 400
  gradient_checkpointing: ${checkpointing}
  eval_task: nano-qa
evaluation: { task: ${task}, fold_tokens: 256, batch_size: 16, intrinsic: false }`;
const settings = [
  ['llama-small, 64 short contexts', 'llama-small, 64 questions', 'llama-small', short],
  ['gemma2-small, 64 short contexts', 'gemma2-small, 64 questions', 'gemma2-small', short],
  [
    'llama-long, 8 long contexts in folds',
    'llama-long, 16 reports',
    'llama-long',
    long(false, 'nano-govreport'),
  ],
  ['the same with checkpointing', 'llama-long, 16 long questions', 'llama-long', long(true, 'nano-long-qa')],
];
const sets = [
  'training.max_steps=4',
  'training.warmup_steps=1',
  'training.retention_warmup_steps=0',
  'training.eval_limit=1',
  'evaluation.methods=[full,kvd]',
  'evaluation.retention=0.2',
  'evaluation.limit=64',
].flatMap((set) => ['--set', set]);

const lines = [...header];
for (const [i, [training, evaluation, model, rest]] of settings.entries()) {
  const work = mkdtempSync(join(tmpdir(), 'kvd-memory-'));
  const kvd = runner(work);
  const file = join(work, 'memory.yaml');
  writeFileSync(
    file,
    `name: memory-${i}\nseed: 1\nmodel: { name_or_path: ${model} }\nmethod: ${method}\n${rest}\n`,
  );
  const planned = async (...args) =>
    JSON.parse((await kvd({}, 'plan', file, '--json', ...sets, ...args)).stdout)[0];
  const whole = await planned();
  const trained = await kvd({}, 'train', file, ...sets);
  const evaluated = await kvd({}, 'eval', file, '--json', ...sets);
  const contexts = JSON.parse(evaluated.stdout).cells.map(({ contextTokens }) => contextTokens);
  const { cells } = await planned('--context', `${Math.ceil(Math.max(...contexts))}`);
  lines.push(...memoryRows(`training: ${training}`, whole.training, trained));
  lines.push(...memoryRows(`evaluation: ${evaluation}`, largest(cells), evaluated));
}
process.stdout.write(`${lines.join('\n')}\n`);
