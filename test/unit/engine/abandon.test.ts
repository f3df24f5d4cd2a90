import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { abandonable, signalSeen, unwatchSignals, watchSignals } from '../../../src/engine/abandon.js';
import { startEngine } from '../../../src/engine/index.js';
import { installedEngine } from '../../../src/engine/native.js';

const signals = ['SIGUSR2'] as const;
let handled = 0;
const handler = (): void => void handled++;

beforeAll(async () => {
  await startEngine('tensorflow');
  process.on(signals[0], handler);
  watchSignals(signals);
});
afterAll(() => {
  unwatchSignals(signals);
  process.off(signals[0], handler);
});

/** Computes until it is given up; counts the ops that it began. */
function endless(count: { ops: number }): void {
  tf.tidy(() => {
    for (let x = tf.ones([8]); ; x = tf.add(x, 1)) {
      if (count.ops++ === 10) process.kill(process.pid, signals[0]);
    }
  });
}

it.skipIf(installedEngine() === undefined)(
  'a signal is seen before Node handles it, and ends what may be given up and nothing else',
  async () => {
    const before = tf.memory().numTensors;
    const count = { ops: 0 };
    expect(abandonable(() => 3)).toBe(3);
    expect(signalSeen()).toBe(false);
    expect(abandonable(() => endless(count))).toBeUndefined();
    expect(count.ops).toBeGreaterThan(10);
    expect(handled).toBe(0);
    expect(tf.memory().numTensors).toBe(before);
    expect(signalSeen()).toBe(true);
    // Outside, ops run on; inside, not one more.
    expect(tf.tidy(() => tf.add(tf.ones([1]), 1).dataSync()[0])).toBe(2);
    expect(abandonable(() => tf.tidy(() => tf.add(tf.ones([1]), 1)))).toBeUndefined();
    const wrong = (): void => {
      throw new RangeError('another');
    };
    expect(() => abandonable(wrong)).toThrow(RangeError);
    await new Promise((later) => setTimeout(later, 50));
    expect(handled).toBe(1);
    watchSignals(signals);
    expect(signalSeen()).toBe(false);
  },
);
