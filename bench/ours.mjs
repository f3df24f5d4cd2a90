/** One piece of work on kvd's side: `node bench/ours.mjs NAME REPETITIONS LEAST PATIENCE [CHANGES]`; prints a line of JSON. */
import { readFileSync } from 'node:fs';
import { startEngine } from '../dist/engine/index.js';
import { measure } from './timing.mjs';

const [name, repetitions, least, patience, changes = '{}'] = process.argv.slice(2);
const shapes = JSON.parse(readFileSync(new URL('shapes.json', import.meta.url), 'utf8'));
const work = { ...shapes.work[name], ...JSON.parse(changes) };
const engine = await startEngine();
const { prepare } = await import(`./ours/${work.kind}.mjs`);
const { run, dispose, ...rest } = await prepare(work, shapes.models[work.model]);
const measured = await measure(run, {
  repetitions: Number(repetitions),
  least: Number(least),
  patience: Number(patience),
});
dispose?.();
const peak = process.resourceUsage().maxRSS * 1024;
process.stdout.write(`${JSON.stringify({ ...measured, ...rest, peak, threads: engine.threads })}\n`);
