/** Decoding in place, all layers in one op, against ordinary passes. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { fusedAvailable } from '../../../src/engine/fused.js';
import { startEngine } from '../../../src/engine/index.js';
import { Random } from '../../../src/engine/random.js';
import { makeBatch } from '../../../src/models/batch.js';
import { disposeCache, gatherRows, selectSequences, type KvCache } from '../../../src/models/cache.js';
import { loadDecoder } from '../../../src/models/checkpoint.js';
import { decodeStep, withRoom } from '../../../src/models/decode-step.js';
import type { Decoder } from '../../../src/models/decoder.js';
import { greedy } from '../../../src/models/generate.js';
import { expectClose } from '../../helpers/closeness.js';
import { golden, goldenFamilies } from '../../helpers/golden.js';
import { tinyDecoder } from '../../helpers/tiny.js';

await startEngine();

const STEPS = 6;
const contexts = [30, 23, 30, 11, 17].map((length, row) =>
  Array.from({ length }, (_, t) => (t * 37 + row * 13 + 11) % 100),
);
const tokens = Array.from({ length: STEPS }, (_, t) =>
  contexts.map((_, row) => (t * 29 + row * 7 + 3) % 100),
);

function cacheOf(model: Decoder, sequences: readonly number[][]): KvCache {
  return tf.tidy(() => model.forward(makeBatch(sequences), { cacheOnly: true }).cache);
}

/** Other rows in each layer and head, and other numbers of them. */
function perHead(cache: KvCache): KvCache {
  const random = new Random('rows');
  const kept = cache.keys.map((keys, layer) => {
    const [, heads] = keys.shape;
    const lists = contexts.map(({ length }) =>
      Array.from({ length: heads }, (_, head) =>
        random.shuffle([...Array(length).keys()]).slice(0, 4 + ((layer + head) % 3)),
      ),
    );
    const padded = lists.map((list) => list.map((rows) => [...rows, 0, 0, 0].slice(0, 6)));
    return {
      rows: tf.tensor3d(padded, undefined, 'int32'),
      counts: lists.map((l) => l.map((r) => r.length)),
    };
  });
  return gatherRows(
    cache,
    kept.map(({ rows }) => rows),
    kept.map(({ counts }) => counts),
  );
}

/** Runs `tokens` behind `cache` in both ways: logits of each step, and the caches at the end. */
function expectBoth(model: Decoder, cache: KvCache): void {
  let ordinary = cache;
  let inPlace = withRoom(cache, STEPS);
  const rows = cache.keys.map(({ shape }) => shape[2]);
  tokens.forEach((next, t) => {
    const batch = makeBatch(
      next.map((token) => [token]),
      { starts: ordinary.nextPositions },
    );
    const pass = model.forward(batch, { past: ordinary, join: true });
    const filled = rows.map((count) => count + t);
    const [likeliest, logits] = decodeStep(model, inPlace, filled, next);
    expectClose(logits.dataSync(), model.logits(pass.hidden).dataSync());
    expect([...likeliest.dataSync()]).toEqual([...tf.argMax(logits, 1).dataSync()]);
    ordinary = pass.joined!;
    inPlace = { ...inPlace, nextPositions: ordinary.nextPositions };
  });
  for (const part of ['keys', 'values'] as const) {
    ordinary[part].forEach((x, layer) => expectClose(inPlace[part][layer]!.dataSync(), x.dataSync()));
  }
  inPlace.positions.forEach((own, layer) => {
    const all = ordinary.positions[layer]!;
    expect(tf.broadcastTo(own, all.shape).arraySync()).toEqual(all.arraySync());
  });
}

describe.skipIf(!fusedAvailable())('decoding in place', () => {
  describe.each(goldenFamilies)('by %s', (name) => {
    it('gives what ordinary passes give', () => {
      const model = loadDecoder(golden(name));
      tf.tidy(() => {
        const whole = cacheOf(model, contexts);
        expectBoth(model, whole);
        expectBoth(model, perHead(whole));
      });
      model.dispose();
    });

    it('gives a sequence in a batch what it gives it alone, to the last digit', () => {
      const model = loadDecoder(golden(name));
      tf.tidy(() => {
        // One sequence for each width of the products' tiles.
        const sequences = Array.from({ length: 15 }, (_, row) => contexts[0]!.map((id) => (id + row) % 100));
        const whole = cacheOf(model, sequences);
        const logitsOf = (cache: KvCache, next: readonly number[]): Float32Array => {
          const rows = cache.keys.map(({ shape }) => shape[2]);
          return decodeStep(model, withRoom(cache, 1), rows, next)[1].dataSync() as Float32Array;
        };
        const together = logitsOf(
          whole,
          sequences.map(([first]) => first!),
        );
        const { vocabSize } = model.config;
        sequences.forEach(([first], row) => {
          const alone = logitsOf(selectSequences(whole, [row]), [first!]);
          expect(together.subarray(row * vocabSize, (row + 1) * vocabSize)).toEqual(alone);
        });
      });
      model.dispose();
    });
  });

  it('leaves the given cache as it was, and makes room again and again', () => {
    const { model } = tinyDecoder();
    const cache = cacheOf(model, [[3, 5, 7, 9]]);
    const before = cache.keys.map((keys) => keys.dataSync());
    const prompt = [11];
    const [output] = greedy(model, cache, [prompt], { maxNewTokens: 600, eosIds: [] });
    expect(output).toHaveLength(600);
    const ids = [3, 5, 7, 9, ...prompt, ...output!.slice(0, -1)];
    tf.tidy(() => {
      const { hidden } = model.forward(makeBatch([ids]));
      const likeliest = [...tf.argMax(model.logits(hidden), 1).dataSync()];
      expect(likeliest.slice(4)).toEqual(output);
    });
    cache.keys.forEach((keys, layer) => expect(keys.dataSync()).toEqual(before[layer]));
    disposeCache(cache);
    model.dispose();
  });

  it('refuses what does not fit', () => {
    const { model } = tinyDecoder();
    tf.tidy(() => {
      const cache = withRoom(cacheOf(model, [[3, 5]]), 1);
      const full = cache.keys.map(() => 3);
      expect(() => decodeStep(model, cache, full, [1])).toThrow(/do not fit/);
      const free = cache.keys.map(() => 2);
      expect(() => decodeStep(model, cache, free, [40])).toThrow(/do not fit/);
      expect(() => decodeStep(model, cache, free, [1, 2])).toThrow(/do not fit/);
      const narrow = {
        ...cache,
        values: cache.values.map((x) => tf.slice(x, [0, 0, 0, 0], [-1, -1, -1, 2])),
      };
      expect(() => decodeStep(model, narrow as KvCache, free, [1])).toThrow(/do not fit/);
      expect(() => decodeStep(model, cache, free, [1])).not.toThrow();
    });
    model.dispose();
  });
});
