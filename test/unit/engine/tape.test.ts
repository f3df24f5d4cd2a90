/** Several of our ops as one node of the tape against one node each. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { fused, fusedAvailable } from '../../../src/engine/fused.js';
import { startEngine } from '../../../src/engine/index.js';
import { recording, together } from '../../../src/engine/tape.js';

await startEngine();

const ROWS = 7;
const WIDTH = 20;

function noise(shape: number[], seed: number): tf.Tensor {
  return tf.randomNormal(shape, 0, 1, 'float32', seed);
}

/** Two norms of the same gain, and some rows of what they make. */
function chain(x: tf.Tensor, gain: tf.Tensor, rows: tf.Tensor): { first: tf.Tensor; last: tf.Tensor } {
  const [first] = fused('KvdNorm', { x, gain }, { epsilon: 1e-5 });
  const [second] = fused('KvdNorm', { x: first!, gain }, { epsilon: 1e-5 });
  const [last] = fused('KvdTakeRows', { x: second!, rows }, {});
  return { first: first!, last: last! };
}

describe.skipIf(!fusedAvailable())('one node of the tape', () => {
  it.each([
    ['its last result', false],
    ['two of its results', true],
  ])('gives the gradients of its ops, where slopes come to %s, and leaves nothing behind', (_what, both) => {
    const [x, gain, slopes, more] = [[ROWS, WIDTH], [WIDTH], [3, WIDTH], [ROWS, WIDTH]].map(noise);
    const rows = tf.tensor1d([5, 0, 2], 'int32');
    const before = tf.memory().numTensors;
    const gradients = (asOne: boolean): Float32Array[] => {
      const { value, grads } = tf.valueAndGrads((given: tf.Tensor, gains: tf.Tensor) => {
        const run = (): ReturnType<typeof chain> => chain(given, gains, rows);
        const { first, last } = asOne ? together(run) : run();
        const loss = tf.sum(tf.mul(last, slopes!));
        return both ? tf.add(loss, tf.sum(tf.mul(first, more!))) : loss;
      })([x!, gain!]);
      const read = [value, ...grads].map((tensor) => tensor.dataSync().slice() as Float32Array);
      tf.dispose([value, grads]);
      return read;
    };
    const apart = gradients(false);
    expect(apart[1]!.some((slope) => slope !== 0)).toBe(true);
    expect(gradients(true)).toEqual(apart);
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose([x!, gain!, slopes!, more!, rows]);
  });

  it('gives zeros for what does not matter, and nothing is recorded behind a failure', () => {
    const [x, gain] = [noise([ROWS, WIDTH], 1), noise([WIDTH], 2)];
    const failing = tf.grad((given) => {
      together(() => {
        fused('KvdNorm', { x: given, gain }, { epsilon: 1e-5 });
        throw new Error('in the middle');
      });
      return given;
    });
    expect(() => failing(x)).toThrow('in the middle');
    expect(recording()).toBe(false);
    const unseen = tf.grad((given) => {
      const { last } = together(() => chain(given, gain, tf.tensor1d([1], 'int32')));
      return tf.sum(tf.slice(last, [0, 0], [1, WIDTH]));
    })(x);
    const slopes = unseen.arraySync() as number[][];
    expect(slopes[1]!.some((slope) => slope !== 0)).toBe(true);
    expect(slopes[0]!.every((slope) => slope === 0)).toBe(true);
  });
});
