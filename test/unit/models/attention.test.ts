/** Attention as one op against attention as it is written down, over several blocks of queries and keys. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { fusedAvailable } from '../../../src/engine/fused.js';
import { startEngine } from '../../../src/engine/index.js';
import { Random } from '../../../src/engine/random.js';
import { fusedAttention, type AttentionOptions, type KeysAndValues } from '../../../src/models/attention.js';
import { attentionMask, PAD_POSITION } from '../../../src/models/batch.js';
import { softcap } from '../../../src/models/ops.js';
import { expectClose } from '../../helpers/closeness.js';

await startEngine();

const shape = { batch: 2, heads: 4, kvHeads: 2, rows: 300, width: 20 };

function noise<T extends tf.Tensor>(random: Random, dims: number[]): T {
  const size = dims.reduce((a, b) => a * b, 1);
  const values = Float32Array.from({ length: size }, () => random.normal());
  return tf.tensor(values, dims) as T;
}

/** Unordered positions of which every fifth holds nothing, other ones in each head. */
function scattered(random: Random, tokens: number): tf.Tensor3D {
  const { batch, kvHeads, rows } = shape;
  const lists = Array.from({ length: batch * kvHeads }, () => {
    const places = random.shuffle([...Array(rows).keys()]);
    return places
      .map((place, i) => (i % 5 === 0 ? PAD_POSITION : place))
      .concat([...Array(tokens).keys()].map((t) => rows + t));
  });
  return tf.tensor3d(lists.flat(), [batch, kvHeads, rows + tokens]);
}

const cases: Record<string, AttentionOptions & { tokens: number }> = {
  plain: { tokens: 70, scale: 0.3 },
  'of more queries than one thread takes at a time': { tokens: 211, scale: 0.3 },
  'of so many, in a window': { tokens: 211, scale: 0.3, window: 60 },
  'in a window': { tokens: 70, scale: 0.3, window: 40 },
  'soft-capped': { tokens: 70, scale: 0.5, softcap: 2 },
  'of few queries': { tokens: 2, scale: 0.3 },
  'of few queries in a window, soft-capped': { tokens: 2, scale: 0.5, window: 40, softcap: 2 },
};

describe.skipIf(!fusedAvailable())('attention as one op', () => {
  it.each(Object.entries(cases))('gives the same outputs and gradients, %s', (_, { tokens, ...options }) => {
    const { batch, heads, kvHeads, rows, width } = shape;
    const random = new Random('attention');
    const inputs: tf.Tensor4D[] = [
      noise(random, [batch, heads, tokens, width]),
      noise(random, [batch, kvHeads, rows + tokens, width]),
      noise(random, [batch, kvHeads, rows + tokens, width]),
    ];
    const weights = noise<tf.Tensor2D>(random, [batch * tokens, heads * width]);
    const queryPositions = tf.tensor2d(
      Float32Array.from({ length: tokens }, (_, t) => rows + t),
      [1, tokens],
    );
    const keyPositions = scattered(random, tokens);
    const whole = (q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D): tf.Tensor2D => {
      const grouped = tf.reshape(tf.mul(q, options.scale), [batch, kvHeads, -1, width]);
      const mask = attentionMask(queryPositions, keyPositions, options.window);
      const scores = softcap(tf.matMul(grouped, k, false, true), options.softcap);
      const mixed = tf.matMul(tf.softmax(tf.add(scores, tf.tile(mask, [1, 1, heads / kvHeads, 1]))), v);
      const apart = tf.reshape(mixed, [batch, heads, tokens, width]);
      return tf.reshape(tf.transpose(apart, [0, 2, 1, 3]), [batch * tokens, heads * width]);
    };
    const one = (q: tf.Tensor4D, keys: tf.Tensor4D, values: tf.Tensor4D): tf.Tensor2D =>
      fusedAttention(q, [{ keys, values }], queryPositions, keyPositions, options).rows;
    const two = (q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D): tf.Tensor2D => {
      const [keys, values] = [k, v].map((x) => tf.split(x, [rows, tokens], 2) as tf.Tensor4D[]);
      const pieces = [0, 1].map((i) => ({ keys: keys![i]!, values: values![i]! }));
      return fusedAttention(q, pieces, queryPositions, keyPositions, options).rows;
    };
    const [expected, found, apart] = [whole, one, two].map((attend) => [
      attend(inputs[0]!, inputs[1]!, inputs[2]!),
      ...tf.grads((q, k, v) =>
        tf.sum(tf.mul(attend(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D), weights)),
      )(inputs),
    ]);
    expected!.forEach((value, i) => {
      expectClose(found![i]!.dataSync(), value.dataSync(), 2e-5);
      expect(apart![i]!.dataSync()).toEqual(found![i]!.dataSync());
    });

    // Keys and values that have other uses, too.
    const others = [1, 2].map((i) => noise<tf.Tensor4D>(random, inputs[i]!.shape));
    const used = (rows: tf.Tensor2D, { keys, values }: KeysAndValues): tf.Scalar =>
      tf.addN([
        tf.sum<tf.Scalar>(tf.mul(rows, weights)),
        tf.sum<tf.Scalar>(tf.mul(keys, others[0]!)),
        tf.sum<tf.Scalar>(tf.mul(values, others[1]!)),
      ]);
    const kept = tf.grads((q, k, v) => {
      const pieces = [{ keys: k as tf.Tensor4D, values: v as tf.Tensor4D }];
      const { rows, piece } = fusedAttention(
        q as tf.Tensor4D,
        pieces,
        queryPositions,
        keyPositions,
        options,
        true,
      );
      expect(piece).toBeDefined();
      return used(rows, piece!);
    })(inputs);
    const besides = tf.grads((q, k, v) =>
      used(one(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D), {
        keys: k as tf.Tensor4D,
        values: v as tf.Tensor4D,
      }),
    )(inputs);
    kept.forEach((gradient, i) => expect(gradient.dataSync()).toEqual(besides[i]!.dataSync()));
  });
});
