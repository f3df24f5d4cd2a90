#!/usr/bin/env node
/**
 * Where a piece of work's processor time goes, by op: `node bench/profile.mjs distill-small` writes
 * results/bench/profile-distill-small.md. On one thread, so that processor time is the op's own whatever else runs.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';

process.env.TF_NUM_INTRAOP_THREADS = '1';
const { startEngine } = await import('../dist/engine/index.js');
const { gitCommit } = await import('../dist/workflows/run-record.js');
const [name = 'distill-small'] = process.argv.slice(2);
const shapes = JSON.parse(readFileSync(new URL('shapes.json', import.meta.url), 'utf8'));
const work = shapes.work[name];
const RUNS = 5;

function ownMilliseconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

await startEngine('tensorflow');
const { prepare } = await import(`./ours/${work.kind}.mjs`);
const { run, dispose } = await prepare(work, shapes.models[work.model]);
await run();
await run();

const backend = tf.backend();
const { binding } = backend;
const ops = new Map();
backend.binding = Object.create(binding, {
  executeOp: {
    value: (op, ...rest) => {
      const began = ownMilliseconds();
      const outputs = binding.executeOp(op, ...rest);
      const known = ops.get(op) ?? { count: 0, milliseconds: 0 };
      ops.set(op, { count: known.count + 1, milliseconds: known.milliseconds + ownMilliseconds() - began });
      return outputs;
    },
  },
});
const began = ownMilliseconds();
for (let i = 0; i < RUNS; i++) await run();
const whole = (ownMilliseconds() - began) / RUNS;
backend.binding = binding;

const rows = [...ops].map(([op, { count, milliseconds }]) => ({
  op,
  count: count / RUNS,
  milliseconds: milliseconds / RUNS,
}));
rows.sort((a, b) => b.milliseconds - a.milliseconds);
const inside = rows.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
const lines = [
  ...rows,
  { op: 'outside ops (JavaScript, bookkeeping)', count: 0, milliseconds: whole - inside },
].map(
  ({ op, count, milliseconds }) =>
    `| ${op} | ${count === 0 ? '' : count.toFixed(1)} | ${milliseconds.toFixed(2)} | ${((100 * milliseconds) / whole).toFixed(1)} |`,
);
const text = `# Profile: ${work.title}

${whole.toFixed(0)} ms of processor time a run on one thread, ${rows.reduce((sum, { count }) => sum + count, 0).toFixed(0)} ops; mean of ${RUNS} runs; commit ${gitCommit()}; made by \`node bench/profile.mjs ${name}\`.

| op | number | ms | % |
| --- | --: | --: | --: |
${lines.join('\n')}
`;
const folder = fileURLToPath(new URL('../results/bench/', import.meta.url));
mkdirSync(folder, { recursive: true });
writeFileSync(`${folder}profile-${name}.md`, text);
process.stdout.write(text);
dispose?.();
process.exit(0);
