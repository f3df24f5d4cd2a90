/** What every registered architecture must hold to. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/engine/random.js';
import { startEngine } from '../../src/engine/index.js';
import { freshLora } from '../../src/methods/lora-adapter.js';
import { architectures } from '../../src/models/architectures/index.js';
import { makeBatch } from '../../src/models/batch.js';
import { appendCache, evenCounts, gatherRows } from '../../src/models/cache.js';
import { loadDecoder, saveDecoder } from '../../src/models/checkpoint.js';
import { Decoder } from '../../src/models/decoder.js';
import { loraScale, loraTargets, type LoraAdapter, type LoraTarget } from '../../src/models/lora.js';
import { expectClose } from '../helpers/closeness.js';
import { shake, tinyDecoder } from '../helpers/tiny.js';

beforeAll(() => startEngine());

const ids = Array.from({ length: 20 }, (_, i) => (i * 37 + 11) % 40);
const question = [3, 10, 4];

function logitsOf(model: Decoder, sequences: number[][], options = {}): number[][] {
  return tf.tidy(() => model.logits(model.forward(makeBatch(sequences), options).hidden).arraySync());
}

function noisyLora(model: Decoder, noise: number): LoraAdapter {
  const lora = freshLora(model.config, { lora_r: 2, lora_alpha: 2 }, new Random('lora'));
  const matrices = lora.layers.flatMap((layer) => loraTargets.flatMap((target) => [layer[target].b]));
  shake(matrices as unknown as tf.Variable[], noise, new Random('noise'));
  return lora;
}

/** The model with an adapter's deltas added to its matrices. */
function merged(model: Decoder, lora: LoraAdapter): Decoder {
  const layers = model.weights.layers.map((layer, index) => {
    const delta = (target: LoraTarget): tf.Tensor2D => {
      const { a, b } = lora.layers[index]![target];
      return tf.mul(tf.matMul(a, b), loraScale(lora));
    };
    const qkv = tf.concat([delta('q'), delta('k'), delta('v')], 1) as tf.Tensor2D;
    const attentionOut = tf.add<tf.Tensor2D>(layer.attentionOut, delta('o'));
    return { ...layer, qkv: tf.add<tf.Tensor2D>(layer.qkv, qkv), attentionOut };
  });
  return new Decoder(model.config, model.plan, { ...model.weights, layers });
}

describe.each(architectures.names())('architecture %s', (family) => {
  it('gives the same token by token, padded in a batch and in pieces as in one pass', () => {
    const { model } = tinyDecoder(family);
    const whole = logitsOf(model, [ids]);
    tf.tidy(() => {
      let { cache } = model.forward(makeBatch([ids.slice(0, 9)]));
      for (let t = 9; t < ids.length; t++) {
        const step = model.forward(makeBatch([[ids[t]!]], { starts: [t] }), { past: cache });
        expectClose(model.logits(step.hidden).dataSync(), whole[t]!, 1e-5);
        cache = appendCache(cache, step.cache);
      }
    });
    const batch = logitsOf(model, [question, ids]);
    expectClose(batch.slice(0, 3).flat(), logitsOf(model, [question]).flat(), 1e-5);
    model.attentionBlock = 4 * ids.length * 3;
    expectClose(logitsOf(model, [ids]).flat(), whole.flat(), 1e-5);
  });

  it('computes of a last layer just its keys and values when only the cache is wanted', () => {
    const { model } = tinyDecoder(family);
    const lora = { adapter: noisyLora(model, 0.3) };
    tf.tidy(() => {
      const whole = model.forward(makeBatch([ids]), { lora }).cache;
      const lean = model.forward(makeBatch([ids]), { lora, cacheOnly: true }).cache;
      whole.keys.forEach((keys, layer) => expectClose(lean.keys[layer]!.dataSync(), keys.dataSync(), 1e-6));
      whole.values.forEach((values, layer) =>
        expectClose(lean.values[layer]!.dataSync(), values.dataSync(), 1e-6),
      );
    });
  });

  it('is unchanged by a fresh LoRA, and with a trained one is what the merged matrices give', () => {
    const { model } = tinyDecoder(family);
    const plain = logitsOf(model, [ids]);
    expect(logitsOf(model, [ids], { lora: { adapter: noisyLora(model, 0) } })).toEqual(plain);
    const adapter = noisyLora(model, 0.3);
    const adapted = logitsOf(model, [ids], { lora: { adapter } });
    expect(Math.abs(adapted[9]![3]! - plain[9]![3]!)).toBeGreaterThan(1e-3);
    const expected = tf.tidy(() => {
      const { hidden } = merged(model, adapter).forward(makeBatch([ids]));
      return model.logits(hidden).arraySync();
    });
    expectClose(adapted.flat(), expected.flat(), 1e-5);
  });

  it('looks at a compressed cache as at the whole one with the other rows masked', () => {
    const { model } = tinyDecoder(family);
    const kept = [0, 3, 8, 15, 16, 18];
    tf.tidy(() => {
      const { cache } = model.forward(makeBatch([ids]));
      const rows = tf.tensor3d(kept, [1, 1, kept.length], 'int32');
      const small = gatherRows(
        cache,
        cache.keys.map(() => rows),
        evenCounts([kept.length], cache.keys.length),
      );
      const bias = tf.tensor3d(
        ids.map((_, row) => (kept.includes(row) ? 0 : -1e9)),
        [1, 1, ids.length],
      );
      const batch = makeBatch([question], { starts: [ids.length] });
      const compressed = model.logits(model.forward(batch, { past: small }).hidden);
      const masked = model.logits(model.forward(batch, { past: cache, pastBias: bias }).hidden);
      expectClose(compressed.dataSync(), masked.dataSync(), 1e-5);
    });
  });

  it('is the same after saving and loading', () => {
    const { model } = tinyDecoder(family);
    const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
    saveDecoder(folder, model, model.config.raw, 'F32');
    const loaded = loadDecoder(folder);
    expectClose(logitsOf(loaded, [ids]).flat(), logitsOf(model, [ids]).flat(), 1e-5);
    expect(Object.keys(loaded.weights.layers[0]!).sort()).toEqual(
      Object.keys(model.weights.layers[0]!).sort(),
    );
    loaded.dispose();
  });
});
