/** Products and rows by number as ops of our own, against tfjs-core's. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { fusedAvailable } from '../../../src/engine/fused.js';
import { startEngine } from '../../../src/engine/index.js';
import { pickRows, product } from '../../../src/models/ops.js';
import { expectClose } from '../../helpers/closeness.js';

await startEngine();

/** Rows, depth, columns: several pieces of rows and of depth, and none that is whole. */
const sizes = [
  [64, 5, 3],
  [150, 70, 52],
  [333, 270, 130],
] as const;

describe('a product', () => {
  it.each(sizes.flatMap((size) => [false, true].map((transposed) => [...size, transposed] as const)))(
    'of %i × %i and %i columns is what tf.matMul gives, with its gradients (transposed: %s)',
    (rows, depth, columns, transposed) => {
      const a = tf.randomNormal<tf.Rank.R2>([rows, depth], 0, 1, 'float32', 1);
      const shape: [number, number] = transposed ? [columns, depth] : [depth, columns];
      const b = tf.variable(tf.randomNormal<tf.Rank.R2>(shape, 0, 1, 'float32', 2));
      const slopes = tf.randomNormal([rows, columns], 0, 1, 'float32', 3);
      const x = tf.variable(a);
      const outcome = (multiply: () => tf.Tensor): tf.Tensor[] => {
        const { grads } = tf.variableGrads(() => tf.sum(tf.mul(multiply(), slopes)), [x, b]);
        return [multiply(), grads[x.name]!, grads[b.name]!];
      };
      const expected = outcome(() => tf.matMul(x, b, false, transposed));
      const found = outcome(() => product(x as tf.Tensor2D, b as tf.Tensor2D, { transposed }));
      found.forEach((tensor, i) =>
        expectClose(tensor.dataSync(), expected[i]!.dataSync(), 2e-6 * Math.max(rows, depth, columns)),
      );
      const { grads } = tf.variableGrads(
        () => tf.sum(tf.mul(product(a, b as tf.Tensor2D, { transposed, constant: true }), slopes)),
        [b],
      );
      expect(grads[b.name]!.dataSync()).toEqual(found[2]!.dataSync());
      const frozen = tf.grad((given: tf.Tensor) =>
        tf.sum(tf.mul(product(given as tf.Tensor2D, tf.clone(b) as tf.Tensor2D, { transposed }), slopes)),
      )(a);
      expect(frozen.dataSync()).toEqual(found[1]!.dataSync());
    },
  );
});

describe('rows by number', () => {
  const x = tf.randomNormal<tf.Rank.R2>([40, 7], 0, 1, 'float32', 4);

  it('are those that tf.gather gives, with their gradients, whether they come once or often', () => {
    const rows = tf.tensor1d([3, 39, 0, 3, 3, 17], 'int32');
    const slopes = tf.randomNormal([6, 7], 0, 1, 'float32', 5);
    const [expected, found] = [tf.gather<tf.Tensor2D>, pickRows].map((pick) => [
      pick(x, rows),
      tf.grad((given: tf.Tensor) => tf.sum(tf.mul(pick(given as tf.Tensor2D, rows), slopes)))(x),
    ]);
    found!.forEach((tensor, i) => expectClose(tensor.dataSync(), expected![i]!.dataSync(), 1e-6));
  });

  it.skipIf(!fusedAvailable()).each([-1, 40])('are refused where they are not there: %i', (row) => {
    expect(() => pickRows(x, tf.tensor1d([0, row], 'int32'))).toThrow('a row that is not there');
  });
});
