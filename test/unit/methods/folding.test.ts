import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { startEngine } from '../../../src/engine/index.js';
import { apportion, compressInFolds } from '../../../src/methods/folding.js';
import { full } from '../../../src/methods/full.js';
import { methods } from '../../../src/methods/index.js';
import { makeBatch, PAD_POSITION } from '../../../src/models/batch.js';
import type { KvCache } from '../../../src/models/cache.js';
import type { Decoder } from '../../../src/models/decoder.js';
import { expectClose } from '../../helpers/closeness.js';
import { tinyDecoder, tinyTrained } from '../../helpers/tiny.js';

beforeAll(() => startEngine());

const long = Array.from({ length: 25 }, (_, t) => 1 + ((7 * t) % 39));
const short = [1, 8, 2, 30, 31, 12];
const question = [3, 10, 4];

function answers(model: Decoder, cache: KvCache): number[][] {
  return tf.tidy(() => {
    const batch = makeBatch(
      cache.nextPositions.map(() => question),
      { starts: cache.nextPositions },
    );
    const logits = model.logits(model.forward(batch, { past: cache }).hidden);
    return tf.reshape(logits, [cache.nextPositions.length, -1]).arraySync() as number[][];
  });
}

function positions(cache: KvCache, layer: number, row: number): number[] {
  const { [row]: heads } = cache.positions[layer]!.arraySync();
  return heads![0]!.filter((position) => position < PAD_POSITION).sort((a, b) => a - b);
}

it('shares rows out in proportion, one for each at least', () => {
  expect(apportion(5, [10, 10, 5])).toEqual([2, 2, 1]);
  expect(apportion(7, [10, 10, 5])).toEqual([3, 3, 1]);
  expect(apportion(2, [10, 10, 5])).toEqual([1, 1, 1]);
  expect(apportion(25, [10, 10, 5])).toEqual([10, 10, 5]);
});

describe('folds', () => {
  it('are of a length, hold each its own rows at their places in the whole, the first the sinks; the question goes on behind', () => {
    const { model } = tinyDecoder();
    const request = { model, contexts: [long, short], kept: [5, 3] };
    const { cache, kept } = compressInFolds(methods.get('streaming'), request, { n_sink: 1 }, 10);
    expect(kept).toEqual([5, 3]);
    expect(cache.nextPositions).toEqual([25, 6]);
    expect(positions(cache, 0, 0)).toEqual([0, 7, 15, 23, 24]);
    expect(positions(cache, 0, 1)).toEqual([0, 4, 5]);
  });

  it('are those of the parts compressed alone, with every method and in any company', () => {
    const { model } = tinyDecoder();
    for (const name of methods.names()) {
      const method = methods.get(name);
      const options = 'n_sink' in method.options.shape && !method.needs.training ? { n_sink: 1 } : {};
      const needs = {
        ...(method.needs.training && { adapter: tinyTrained(method, model) }),
      };
      const asked = (count: number): object =>
        method.needs.question ? { questions: Array.from({ length: count }, () => question) } : {};
      const together = compressInFolds(
        method,
        { model, contexts: [short, long], kept: [3, 6], ...needs, ...asked(2) },
        options,
        10,
      );
      const alone = compressInFolds(
        method,
        { model, contexts: [long], kept: [6], ...needs, ...asked(1) },
        options,
        10,
      );
      expectClose(answers(model, together.cache)[1]!, answers(model, alone.cache)[0]!, 1e-5, name);
      if (method.budget !== 'free') continue;
      const parts = [long.slice(0, 8), long.slice(8, 16), long.slice(16)].map((context, i) => {
        const request = { model, contexts: [context], starts: [8 * i], kept: [2] };
        return method.compress({ ...request, ...needs, ...asked(1) }, options).cache;
      });
      const keys = parts.map(({ keys: [first] }) => first!);
      tf.tidy(() => {
        const joined = tf.concat(keys, 2);
        expect(alone.cache.keys[0]!.shape, name).toEqual(joined.shape);
        expectClose(alone.cache.keys[0]!.dataSync(), joined.dataSync(), 1e-5, name);
      });
    }
  });

  it('leave alone what is not compressed', () => {
    const { model } = tinyDecoder();
    const request = { model, contexts: [long, short], kept: [25, 6] };
    const folded = compressInFolds(full, request, {}, 10).cache;
    const whole = full.compress(request, {}).cache;
    expect(answers(model, folded)).toEqual(answers(model, whole));
  });
});
