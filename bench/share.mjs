/**
 * How long a piece of work takes on all cores, and how long TensorFlow's matmul would take for the products in it:
 * `node bench/share.mjs NAME`; prints a line of JSON. Called by bench/profile.mjs.
 */
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../dist/engine/index.js';
import { matmulSeconds, watchProducts } from './products.mjs';
import { median } from './table.mjs';
import { measure } from './timing.mjs';

const [name] = process.argv.slice(2);
const shapes = JSON.parse(readFileSync(new URL('shapes.json', import.meta.url), 'utf8'));
const work = shapes.work[name];
const engine = await startEngine('tensorflow');
const { prepare } = await import(`./ours/${work.kind}.mjs`);
const { run } = await prepare(work, shapes.models[work.model]);
await run();
const products = [];
const unwatch = watchProducts(tf.backend(), (_op, found) => products.push(...found));
await run();
unwatch();
const { seconds, clean } = await measure(run, { repetitions: 5, least: 6, patience: 60 });
const clock = () => performance.now() / 1000;
const flops = (product) => 2 * product.reduce((a, b) => a * b);
const result = {
  seconds: median(seconds),
  clean,
  threads: engine.threads,
  gflop: products.reduce((sum, product) => sum + flops(product), 0) / 1e9,
  matmulSeconds: products.reduce((sum, product) => sum + matmulSeconds(product, clock), 0),
  doctor: flops([1024, 1024, 1024]) / matmulSeconds([1024, 1024, 1024], clock) / 1e9,
};
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exit(0);
