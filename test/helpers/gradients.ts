/** Gradients against finite differences. */
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

/** Fails unless the loss rises along each variable's own gradient as steeply as that gradient says. */
export function expectGradients(
  loss: () => tf.Scalar,
  trained: Record<string, tf.Variable>,
  tolerance = 0.03,
): void {
  const { grads } = tf.variableGrads(loss, Object.values(trained));
  for (const [name, variable] of Object.entries(trained)) {
    const gradient = grads[variable.name]!.dataSync();
    const norm = Math.hypot(...gradient);
    expect(norm, name).toBeGreaterThan(0);
    // Along the gradient's own direction the slope is its norm.
    const direction = tf.tensor(
      Float32Array.from(gradient, (value) => value / norm),
      variable.shape,
    );
    const original = variable.clone();
    const at = (distance: number): number => {
      variable.assign(tf.add(original, tf.mul(direction, distance)));
      return tf.tidy(() => loss().dataSync()[0]!);
    };
    const step = 4e-3;
    const slope = (at(step) - at(-step)) / (2 * step);
    variable.assign(original);
    expect(
      Math.abs(slope - norm) / Math.max(norm, 0.02),
      `${name}: slope ${slope}, gradient ${norm}`,
    ).toBeLessThan(tolerance);
  }
}
