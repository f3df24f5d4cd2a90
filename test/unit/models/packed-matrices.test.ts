/** Matrices packed for the engine's products: when, how many, and until when. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { fusedAvailable } from '../../../src/engine/fused.js';
import { startEngine } from '../../../src/engine/index.js';
import { PackedMatrices } from '../../../src/models/packed-matrices.js';

await startEngine();

/** Bytes of [20, 24]. */
const BYTES = 4 * 20 * 24;

const matrixOf = (): tf.Tensor2D => tf.ones([20, 24]);

describe.skipIf(!fusedAvailable())('packed matrices', () => {
  it('are made once, those of the gradient when it is asked for, and freed', () => {
    const matrix = matrixOf();
    const before = tf.memory().numTensors;
    const packed = new PackedMatrices();
    const alone = packed.of(matrix);
    expect(alone.panels.size).toBeGreaterThanOrEqual(matrix.size);
    expect(alone.backPanels).toBe(packed.none());
    expect(tf.memory().numTensors).toBe(before + 2);
    const x = tf.scalar(1);
    const recorded = tf.grad(() => {
      const both = packed.of(matrix);
      expect(both.panels).toBe(alone.panels);
      expect(both.backPanels.size).toBeGreaterThanOrEqual(matrix.size);
      return tf.mul(x, x);
    });
    recorded(x).dispose();
    x.dispose();
    expect(tf.memory().numTensors).toBe(before + 3);
    packed.dispose();
    expect(tf.memory().numTensors).toBe(before);
    matrix.dispose();
  });

  it('are no more than there is room for', () => {
    const packed = new PackedMatrices();
    packed.limit = BYTES;
    const [first, second] = [matrixOf(), matrixOf()];
    expect(packed.of(first).panels).not.toBe(packed.none());
    expect(packed.of(second).panels).toBe(packed.none());
    packed.dispose();
  });

  it('are not made of what is learned', () => {
    const packed = new PackedMatrices();
    const { panels, backPanels } = packed.of(tf.variable(matrixOf()));
    expect([panels, backPanels]).toEqual([packed.none(), packed.none()]);
    packed.dispose();
  });
});
