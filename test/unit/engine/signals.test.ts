/** The native matrix kernel must survive signals: Ctrl-C, a child's end, a resized terminal (engine/signals.cc). */
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { startEngine } from '../../../src/engine/index.js';

beforeAll(async () => {
  await startEngine();
});

test('matrix products stay right while signals rain on the process', async () => {
  let received = 0;
  const count = (): void => void (received += 1);
  process.on('SIGUSR2', count);
  const rain = spawn('sh', ['-c', `while kill -USR2 ${process.pid}; do :; done`], { stdio: 'ignore' });
  try {
    const a = tf.randomNormal([512, 512], 0, 1, 'float32', 1);
    const b = tf.randomNormal([512, 512], 0, 1, 'float32', 2);
    const bytes = (x: tf.Tensor): Buffer => Buffer.from((x.dataSync() as Float32Array).buffer);
    const expected = bytes(tf.matMul(a, b));
    for (let round = 0; round < 1500; round++) {
      const product = tf.matMul(a, b);
      expect(bytes(product).equals(expected)).toBe(true);
      product.dispose();
      if (round % 50 === 0) await sleep(1);
    }
    expect(received).toBeGreaterThan(0);
  } finally {
    rain.kill('SIGKILL');
    process.off('SIGUSR2', count);
  }
});
