import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { startEngine } from '../../../src/engine/index.js';
import { makeBatch, PAD_POSITION } from '../../../src/models/batch.js';
import { appendCache, takeRows } from '../../../src/models/cache.js';
import { loadDecoder } from '../../../src/models/checkpoint.js';
import { greedy } from '../../../src/models/generate.js';
import { openSafetensors } from '../../../src/models/safetensors.js';
import { expectClose } from '../../helpers/closeness.js';
import { golden, goldenFamilies } from '../../helpers/golden.js';

beforeAll(() => startEngine());

const ids = Array.from({ length: 30 }, (_, i) => (i * 37 + 11) % 100);

describe.each(goldenFamilies)('decoder of %s', (name) => {
  it('gives the same token by token as in one pass', () => {
    const model = loadDecoder(golden(name));
    tf.tidy(() => {
      const whole = model.logits(model.forward(makeBatch([ids])).hidden).arraySync();
      let cache = model.forward(makeBatch([ids.slice(0, 10)])).cache;
      for (let t = 10; t < ids.length; t++) {
        const step = model.forward(makeBatch([[ids[t]!]], { starts: [t] }), { past: cache });
        expectClose(model.logits(step.hidden).dataSync(), whole[t]!);
        cache = appendCache(cache, step.cache);
      }
    });
    model.dispose();
  });

  it('gives the same padded in a batch as alone', () => {
    const model = loadDecoder(golden(name));
    tf.tidy(() => {
      const batch = makeBatch([ids.slice(0, 7), ids]);
      const logits = model.logits(model.forward(batch).hidden).arraySync();
      const alone = model.logits(model.forward(makeBatch([ids.slice(0, 7)])).hidden).arraySync();
      expectClose(logits.slice(0, 7).flat(), alone.flat());
    });
    const together = greedy(model, undefined, [ids.slice(0, 7), ids], { maxNewTokens: 6, eosIds: [] });
    const apart = [ids.slice(0, 7), ids].map(
      (prompt) => greedy(model, undefined, [prompt], { maxNewTokens: 6, eosIds: [] })[0],
    );
    expect(together).toEqual(apart);
    model.dispose();
  });

  it('computes of a last layer just its keys and values when only the cache is wanted', () => {
    const model = loadDecoder(golden(name));
    tf.tidy(() => {
      const whole = model.forward(makeBatch([ids])).cache;
      const lean = model.forward(makeBatch([ids]), { cacheOnly: true }).cache;
      whole.keys.forEach((keys, layer) => expectClose(lean.keys[layer]!.dataSync(), keys.dataSync(), 1e-6));
      whole.values.forEach((values, layer) =>
        expectClose(lean.values[layer]!.dataSync(), values.dataSync(), 1e-6),
      );
    });
    model.dispose();
  });

  it.each([undefined, 1])('computes of a last layer the chosen tokens alone (%s layers)', (layers) => {
    const model = loadDecoder(golden(name));
    const batch = makeBatch([ids.slice(0, 9), ids], { starts: [5, 0] });
    const lastTokens = [
      [4, 8],
      [29, 0, 17],
    ];
    tf.tidy(() => {
      const options = { cacheOnly: true, ...(layers !== undefined && { layers }) };
      const whole = model.forward(batch, options).cache;
      const lean = model.forward(batch, { ...options, lastTokens }).cache;
      const last = whole.keys.length - 1;
      const index = tf.tensor3d([[[4, 8, 4]], [[29, 0, 17]]], [2, 1, 3], 'int32');
      const spread = tf.tile(index, [1, model.config.numKvHeads, 1]);
      for (const kind of ['keys', 'values'] as const) {
        whole[kind].forEach((rows, layer) => {
          const expected = layer < last ? rows : takeRows(rows, spread);
          expect(lean[kind][layer]!.shape).toEqual(expected.shape);
          expectClose(lean[kind][layer]!.dataSync(), expected.dataSync(), 1e-6);
        });
      }
      expect([...lean.positions[last]!.dataSync()]).toEqual([9, 13, PAD_POSITION, 29, 0, 17]);
    });
    model.dispose();
  });

  it("shows its attention weights as Transformers' eager attention does", () => {
    const model = loadDecoder(golden(name));
    const reference = openSafetensors(`${golden(name)}/reference.safetensors`);
    tf.tidy(() => {
      const input = Array.from(reference.readInt('input_ids').data.subarray(0, 48));
      const { observed } = model.forward(makeBatch([input]), {
        layers: 1,
        observeAttention: (_, weights) => weights,
      });
      expectClose(observed[0]!.dataSync(), reference.readFloat('attentions_layer0_row0').data);
    });
    reference.close();
    model.dispose();
  });

  it('shows the attention of a few queries as it shows that of all', () => {
    const model = loadDecoder(golden(name));
    tf.tidy(() => {
      const [first, count] = [19, 9];
      const batch = makeBatch([ids, ids.slice(0, 24)]);
      const observeAttention = (_: number, weights: tf.Tensor5D, at: number): tf.Tensor =>
        tf.slice(weights, [0, 0, 0, first - at, 0], [-1, -1, -1, count, -1]);
      const all = model.forward(batch, { observeAttention });
      const few = model.forward(batch, { observeAttention, observedTokens: { first, count } });
      expect(few.observed).toHaveLength(model.config.numLayers);
      few.observed.forEach((weights, layer) =>
        expectClose(weights.dataSync(), all.observed[layer]!.dataSync()),
      );
    });
    model.dispose();
  });

  it('leaves no tensor behind', () => {
    const before = tf.memory().numTensors;
    const model = loadDecoder(golden(name));
    greedy(model, undefined, [ids], { maxNewTokens: 3, eosIds: [] });
    const loaded = tf.memory().numTensors;
    greedy(model, undefined, [ids, ids.slice(3)], { maxNewTokens: 3, eosIds: [] });
    expect(tf.memory().numTensors).toBe(loaded);
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
