#!/usr/bin/env node
/**
 * Where a piece of work's time goes: `node bench/profile.mjs distill-small` writes results/bench/profile-distill-small.md.
 * By op on one thread, so that processor time is the op's own whatever else runs; and what share of matmul's rate the
 * whole reaches on all cores, which wants them to itself (bench/share.mjs).
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';

process.env.TF_NUM_INTRAOP_THREADS = '1';
const { startEngine } = await import('../dist/engine/index.js');
const { gitCommit } = await import('../dist/workflows/run-record.js');
const { matmulSeconds, watchProducts } = await import('./products.mjs');
const [name = 'distill-small'] = process.argv.slice(2);
const shapes = JSON.parse(readFileSync(new URL('shapes.json', import.meta.url), 'utf8'));
const work = shapes.work[name];
const RUNS = 5;

function ownMilliseconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const ownSeconds = () => ownMilliseconds() / 1000;

await startEngine('tensorflow');
const { prepare } = await import(`./ours/${work.kind}.mjs`);
const { run, dispose } = await prepare(work, shapes.models[work.model]);
await run();
const backend = tf.backend();
const products = new Map();
const unwatch = watchProducts(backend, (op, found) => {
  products.set(op, [...(products.get(op) ?? []), ...found]);
});
await run();
unwatch();

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

const rows = [...ops].map(([op, { count, milliseconds }]) => {
  const own = products.get(op) ?? [];
  return {
    op,
    count: count / RUNS,
    milliseconds: milliseconds / RUNS,
    matmul: own.reduce((sum, product) => sum + 1000 * matmulSeconds(product, ownSeconds), 0),
  };
});
rows.sort((a, b) => b.milliseconds - a.milliseconds);
const inside = rows.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
const lines = [
  ...rows,
  { op: 'outside ops (JavaScript, bookkeeping)', count: 0, milliseconds: whole - inside, matmul: 0 },
].map(({ op, count, milliseconds, matmul }) => {
  const unless0 = (value, digits) => (value === 0 ? '' : value.toFixed(digits));
  const share = ((100 * milliseconds) / whole).toFixed(1);
  const beyond = (milliseconds - matmul).toFixed(2);
  return `| ${op} | ${unless0(count, 1)} | ${milliseconds.toFixed(2)} | ${share} | ${unless0(matmul, 2)} | ${beyond} |`;
});
const environment = { ...process.env };
delete environment.TF_NUM_INTRAOP_THREADS;
const shareScript = fileURLToPath(new URL('share.mjs', import.meta.url));
const share = JSON.parse(
  execFileSync(process.execPath, [shareScript, name], { env: environment, encoding: 'utf8' }),
);
const quiet = share.clean ? '' : ' (Other processes used the cores meanwhile: neither can be trusted.)';
const text = `# Profile: ${work.title}

On ${share.threads} threads a run takes ${(1000 * share.seconds).toFixed(0)} ms (median); the products with weights in it (${share.gflop.toFixed(1)} GFLOP; neither attention's nor low-rank adapters') would take TensorFlow's matmul ${(1000 * share.matmulSeconds).toFixed(0)} ms at its best: **${((100 * share.matmulSeconds) / share.seconds).toFixed(0)} %** of the rate that matmul reaches at these shapes (${(share.gflop / share.matmulSeconds).toFixed(0)} GFLOP/s; 1024³, which \`kvd doctor\` measures: ${share.doctor.toFixed(0)}).${quiet}

${whole.toFixed(0)} ms of processor time a run on one thread, ${rows.reduce((sum, { count }) => sum + count, 0).toFixed(0)} ops; mean of ${RUNS} runs; what is beyond matmul's time for an op's products is lost; commit ${gitCommit()}; made by \`node bench/profile.mjs ${name}\`.

| op | number | ms | % | its products by matmul, ms | beyond, ms |
| --- | --: | --: | --: | --: | --: |
${lines.join('\n')}
`;
const folder = fileURLToPath(new URL('../results/bench/', import.meta.url));
mkdirSync(folder, { recursive: true });
writeFileSync(`${folder}profile-${name}.md`, text);
process.stdout.write(text);
dispose?.();
process.exit(0);
