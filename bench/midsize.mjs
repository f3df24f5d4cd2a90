#!/usr/bin/env node
/**
 * A run in the formats of real checkpoints, as a stand-in for 8B: a checkpoint made by bench/peers/midsize.py is pulled
 * from a hub on this machine, planned, distilled for ten steps on SQuALITY's stories, evaluated and reported by the
 * commands that a user types.
 *
 * `KVD_DATA=FOLDER node bench/midsize.mjs [WORK]`: FOLDER/squality holds the stories (`kvd data pull squality` puts them
 * where kvd looks without KVD_DATA). WORK, a new folder unless given, keeps everything; a second call goes on there.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dataFolder } from '../dist/data/origin.js';
import { peersPython } from './environment.mjs';
import { header, helper, largest, memoryRows, row, runner } from './planned.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const work = resolve(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'kvd-midsize-')));
const checkpoint = join(work, 'checkpoint');
const name = 'bench/midsize';
const stories = join(dataFolder('squality'), 'train.jsonl');
if (!existsSync(stories)) {
  process.stderr.write(`bench: ${stories} is not there; run kvd data pull squality, or set KVD_DATA\n`);
  process.exit(2);
}
mkdirSync(work, { recursive: true });

const kvd = runner(work);
const experiment = join(work, 'midsize.yaml');
writeFileSync(
  experiment,
  `name: midsize
seed: 1
model: { name_or_path: ${name} }
method: { name: kvd, eta: 6, n_sink: 4, lora_r: 128, lora_alpha: 128 }
data: { name: squality }
training:
  max_steps: 10
  warmup_steps: 2
  micro_batch_size: 1
  gradient_checkpointing: true
  fold_tokens: 1536
  min_context_tokens: 5632
  max_context_tokens: 6656
  max_continuation_tokens: 512
  # A short validation: it is the steps that are looked at.
  eval_task: nano-qa
  eval_limit: 1
evaluation:
  task: squality
  methods: [full, kvd]
  retention: [0.25, 0.1, 0.05]
  fold_tokens: 1536
  batch_size: 2
  limit: 2
  max_new_tokens: 16
`,
);

if (!existsSync(join(checkpoint, 'tokenizer_config.json')))
  execFileSync(peersPython(), [here('peers/midsize.py'), checkpoint, stories], { stdio: 'inherit' });
const files = Object.fromEntries(
  readdirSync(checkpoint).map((file) => [file, readFileSync(join(checkpoint, file))]),
);
const { startHub } = await import(helper(work, 'hub'));
const hub = await startHub({ [name]: { files } });
// Hashing a checkpoint takes the hub seconds, and more on a busy machine.
const env = { ...hub.env(join(work, 'hub')), HF_HUB_DOWNLOAD_TIMEOUT: '600' };
try {
  await kvd(env, 'models', 'pull', name);
} finally {
  await hub.close();
}
const offline = { ...env, HF_HUB_OFFLINE: '1' };
await kvd(offline, 'models', 'verify', name);
const planned = async (...args) =>
  JSON.parse((await kvd(offline, 'plan', experiment, '--json', ...args)).stdout)[0];
const { training, context } = await planned();
const trained = await kvd(offline, 'train', experiment);
const evaluated = await kvd(offline, 'eval', experiment, '--json');
const { runs, cells: found } = JSON.parse(evaluated.stdout);
await kvd(offline, 'report', '--format', 'markdown', '--output', 'report.md');
const longest = Math.max(...found.map(({ contextTokens }) => contextTokens));
const { cells } = await planned('--context', `${longest}`);

const seconds = (value) => `${value.toPrecision(3)} s`;
const anew = { training: !trained.stdout.includes('already trained'), evaluation: !runs[0].reused };
process.stdout.write(
  [
    `${(training.parameters / 1e6).toFixed(1)}M parameters`,
    '',
    ...header,
    ...memoryRows(
      `training, contexts of ${context} tokens at most`,
      training,
      anew.training ? trained : undefined,
    ),
    ...memoryRows(
      `evaluation, contexts of ${longest} tokens`,
      largest(cells),
      anew.evaluation ? evaluated : undefined,
    ),
    row(
      'a step, by the clock',
      `at most ${seconds(training.stepSeconds)}`,
      anew.training ? seconds(trained.seconds / training.steps) : '–',
      '',
    ),
    row(
      'a step, processor time',
      '',
      anew.training ? seconds(trained.userSeconds / training.steps) : '–',
      '',
    ),
    '',
    'Measured steps are the whole command shared out: loading, one short validation and saving are in them. A second call finds training and evaluation done, and measures nothing of them.',
    '',
  ].join('\n'),
);
