/** Multiplies matrices while a parent process sends SIGUSR2, and tells it how many products went wrong. */
import { setTimeout as sleep } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../../../dist/engine/index.js';

await startEngine();
let received = 0;
process.on('SIGUSR2', () => (received += 1));
process.send('listening');
const a = tf.randomNormal([512, 512], 0, 1, 'float32', 1);
const b = tf.randomNormal([512, 512], 0, 1, 'float32', 2);
const bytes = (x) => Buffer.from(x.dataSync().buffer);
const expected = bytes(tf.matMul(a, b));
let wrong = 0;
for (let round = 0; round < 1500; round++) {
  const product = tf.matMul(a, b);
  if (!bytes(product).equals(expected)) wrong += 1;
  product.dispose();
  if (round % 50 === 0) await sleep(1);
}
process.send({ wrong, received });
process.once('disconnect', () => process.exit());
