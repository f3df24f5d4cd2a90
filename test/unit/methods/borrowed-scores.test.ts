import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { startEngine } from '../../../src/engine/index.js';
import { kvd, kvdTrainable } from '../../../src/methods/kvd.js';
import type { KvdAdapter } from '../../../src/methods/kvd-adapter.js';
import { scorings } from '../../../src/methods/scorings.js';
import { makeBatch, PAD_POSITION } from '../../../src/models/batch.js';
import type { KvCache } from '../../../src/models/cache.js';
import type { Decoder } from '../../../src/models/decoder.js';
import { expectClose } from '../../helpers/closeness.js';
import { tinyDecoder, tinyTrained } from '../../helpers/tiny.js';

beforeAll(() => startEngine());

const contexts = [Array.from({ length: 12 }, (_, t) => 1 + ((7 * t) % 39)), [1, 8, 2, 30, 31, 12, 11]];
const kept = [5, 3];
const question = [3, 10, 4];

function heldPositions(cache: KvCache, layer: number, row: number): number[][] {
  return cache.positions[layer]!.arraySync()[row]!.map((head) =>
    head.filter((position) => position < PAD_POSITION).sort((a, b) => a - b),
  );
}

function logits(model: Decoder, cache: KvCache): tf.Tensor2D {
  const batch = makeBatch(
    contexts.map(() => question),
    { starts: cache.nextPositions },
  );
  return model.logits(model.forward(batch, { past: cache }).hidden);
}

function adapterWith(model: Decoder, options: Record<string, unknown>): KvdAdapter {
  return tinyTrained(kvd, model, options) as KvdAdapter;
}

describe("kvd with another method's scores", () => {
  it('keeps the rows that it would keep, and packs the others into them', () => {
    const { model } = tinyDecoder();
    const request = { model, contexts, kept };
    const adapter = adapterWith(model, { scores: { name: 'streaming', n_sink: 1 } });
    const ours = kvd.compress({ ...request, adapter }, {}).cache;
    const theirs = scorings.get('streaming').compress(request, { n_sink: 1 }).cache;
    contexts.forEach((_, row) => {
      for (const layer of [0, 1, 2]) {
        expect(heldPositions(ours, layer, row)).toEqual(heldPositions(theirs, layer, row));
      }
    });
    expect(ours.keys[1]!.dataSync()).not.toEqual(theirs.keys[1]!.dataSync());
  });

  it('keeps what each head of the other method would keep, where heads select', () => {
    const { model } = tinyDecoder();
    const request = { model, contexts, kept };
    const adapter = adapterWith(model, { scores: 'keydiff', selection: 'per_head' });
    const ours = kvd.compress({ ...request, adapter }, {}).cache;
    // The adapter's one sink is kvd's.
    const theirs = scorings.get('keydiff').compress(request, { n_sink: 1 }).cache;
    for (const layer of [0, 1, 2]) {
      expect(heldPositions(ours, layer, 0)).toEqual(heldPositions(theirs, layer, 0));
    }
  });

  it('teaches from what it leaves, and leaves the scorer alone', () => {
    const { model } = tinyDecoder();
    const adapter = adapterWith(model, { scores: 'expected-attention' });
    const batch = makeBatch(contexts);
    expect(kvdTrainable.frozenLayers(adapter)).toBeUndefined();
    const trained = kvdTrainable.trained(adapter);
    expect(Object.keys(trained).some((name) => name.startsWith('scorer'))).toBe(false);
    const student = (): tf.Tensor2D =>
      logits(model, kvdTrainable.encode({ model, batch, kept }, adapter).cache);
    const { cache } = kvd.compress({ model, contexts, kept, adapter }, {});
    expectClose(student().dataSync(), logits(model, cache).dataSync(), 1e-5);
    const { grads } = tf.variableGrads(() => tf.sum(tf.square(student())), Object.values(trained));
    for (const gradient of Object.values(grads)) {
      expect(Math.max(...gradient.dataSync().map(Math.abs))).toBeGreaterThan(0);
    }
  });

  it('refuses scores that look at the question', () => {
    expect(() => kvd.options.parse({ scores: 'h2a' })).toThrow('must not look at the question');
    expect(() => kvd.options.parse({ scores: { name: 'tova', question: true } })).toThrow('question');
    expect(kvd.options.safeParse({ scores: 'tova' }).success).toBe(true);
  });
});
