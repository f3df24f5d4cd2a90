#!/usr/bin/env node
/**
 * `npm run bench`: kvd and its peers on the same work, each alone, in turn; writes results/bench/.
 * `npm run bench -- --only distill-small,prefill --rounds 2 --repetitions 5 --seconds 6 --patience 120 --no-compile`
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine } from '../dist/workflows/run-record.js';
import { peersPython } from './environment.mjs';
import { ours, peer } from './sides.mjs';
import { againstItself } from './itself.mjs';
import { leftOut, table } from './table.mjs';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    rounds: { type: 'string', default: '2' },
    repetitions: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '6' },
    patience: { type: 'string', default: '120' },
    'no-compile': { type: 'boolean', default: false },
    output: { type: 'string', default: fileURLToPath(new URL('../results/bench', import.meta.url)) },
  },
});
const options = {
  repetitions: Number(values.repetitions),
  least: Number(values.seconds),
  patience: Number(values.patience),
};
const only = values.only.split(',').filter(Boolean);
const wanted = (name) => only.length === 0 || only.some((part) => name.startsWith(part));

const shapes = JSON.parse(readFileSync(new URL('shapes.json', import.meta.url), 'utf8'));
const python = peersPython();
const file = `${values.output}/results.json`;
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
const stored = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { results: {} };

/**
 * Which peers do this work: compiled code only where shapes do not change from call to call, and in one round alone,
 * since compiling takes longer than the rest.
 */
function variantsOf({ kind }, round) {
  const compiles = !values['no-compile'] && round === 0 && ['distill', 'pretrain', 'prefill'].includes(kind);
  return ['eager', ...(compiles ? ['compile'] : []), ...(kind === 'decode' ? ['transformers'] : [])];
}

function save() {
  mkdirSync(values.output, { recursive: true });
  writeFileSync(file, `${JSON.stringify(stored, null, 1)}\n`);
  const measured = Object.keys(shapes.work).filter((name) => stored.results[name] !== undefined);
  const rows = measured.map((name) => ({ work: shapes.work[name], ...stored.results[name] }));
  const { cpu, cores } = stored.machine;
  const peers = readFileSync(new URL('peers/requirements.txt', import.meta.url), 'utf8');
  const versions = peers
    .split('\n')
    .filter((line) => line.includes('=='))
    .join(', ');
  const text = [
    '# kvd against PyTorch, Transformers and kvpress',
    `${cpu}, ${cores} cores; ${versions}; made by \`npm run bench\`. float32, as many threads as cores on both sides, ${options.repetitions} repetitions and ${options.least} seconds at least in a process of its own each round, after two and half as many seconds to warm up; \`torch.inference_mode\` where nothing is learned. Median (least-most) of all repetitions; the ratio is the peer's time over kvd's, by rounds, and beside it that of the least times, which a machine's neighbours disturb least. torch.compile runs in one round alone, within three minutes, compiling included. A repetition during which other processes used more than 0.15 cores is dropped; * marks what was measured nevertheless, because it never got quiet.`,
    table(rows),
    ...leftOut(rows),
    ...(stored.itself === undefined
      ? []
      : ['## Against itself', stored.itself.map((line) => `- ${line}`).join('\n')]),
  ];
  writeFileSync(`${values.output}/README.md`, `${text.join('\n\n')}\n`);
}

stored.machine = machine();
for (const [name, work] of Object.entries(shapes.work)) {
  if (!wanted(name)) continue;
  const rounds = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    process.stderr.write(`bench: ${name}, round ${round + 1} of ${values.rounds}\n`);
    const sides = { ours: await ours(name, options) };
    for (const variant of variantsOf(work, round))
      sides[variant] = await peer(python, name, work, variant, options);
    rounds.push(sides);
    for (const [side, { failed }] of Object.entries(sides)) {
      if (failed !== undefined) process.stderr.write(`bench: ${name}, ${side}: ${failed}\n`);
    }
  }
  stored.results[name] = { commit, rounds };
  save();
}
if (wanted('itself')) {
  stored.itself = await againstItself(options);
  save();
}
process.stdout.write(readFileSync(`${values.output}/README.md`, 'utf8'));
