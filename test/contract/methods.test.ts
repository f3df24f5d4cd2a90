/** What every registered compression method must hold to. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { keptTokens } from '../../src/experiment/retention.js';
import { startEngine } from '../../src/engine/index.js';
import { methods } from '../../src/methods/index.js';
import type { Compression } from '../../src/methods/method.js';
import { makeBatch, PAD_POSITION } from '../../src/models/batch.js';
import { disposeCache } from '../../src/models/cache.js';
import { expectClose } from '../helpers/closeness.js';
import { tinyDecoder, tinyTrained } from '../helpers/tiny.js';

beforeAll(() => startEngine());

const contexts = [
  [1, 5, 9, 13, 17, 21, 25, 29, 33, 37, 6, 7],
  [1, 8, 2, 30, 31, 12, 11],
];
const questions = [
  [3, 10, 4],
  [3, 20, 22, 4],
];

describe.each(['llama', 'gemma2'])('on %s', (family) => {
  describe.each(methods.names())('method %s', (name) => {
    const method = methods.get(name);
    const { budget } = method;
    const options = 'n_sink' in method.options.shape && !method.needs.training ? { n_sink: 1 } : {};
    /** Rows that the method leaves of the contexts where `asked` are asked for. */
    const left = (asked: readonly number[]): number[] =>
      budget === 'free' ? [...asked] : contexts.map(({ length }) => keptTokens(budget.budget, length));

    const compress = (
      rows: readonly number[],
      which = [0, 1],
      attentionBlock?: number,
    ): { result: Compression; logits: number[][] } => {
      const { model } = tinyDecoder(family);
      if (attentionBlock !== undefined) model.attentionBlock = attentionBlock;
      const result = method.compress(
        {
          model,
          contexts: which.map((i) => contexts[i]!),
          kept: which.map((i) => rows[i]!),
          ...(method.needs.question && { questions: which.map((i) => questions[i]!) }),
          ...(method.needs.training && { adapter: tinyTrained(method, model) }),
        },
        options,
      );
      const logits = tf.tidy(() => {
        const asked = which.map((i) => questions[i]!);
        const batch = makeBatch(asked, { starts: result.cache.nextPositions });
        const all = model.logits(model.forward(batch, { past: result.cache }).hidden).arraySync();
        return asked.map((question, row) => all[row * batch.tokens + question.length - 1]!);
      }) as unknown as number[][];
      return { result, logits };
    };

    it('gives the same where attention goes in pieces', () => {
      const rows = left([5, 3]);
      const { logits } = compress(rows);
      const inPieces = compress(rows, [0, 1], 2 * 4 * 12 * 5).logits;
      logits.forEach((values, row) => expectClose(inPieces[row]!, values, 1e-5));
    });

    it('holds as many rows as asked for, in every layer and head', () => {
      const wanted = left([5, 3]);
      const { result } = compress(wanted);
      expect(result.kept).toEqual(wanted);
      for (let layer = 0; layer < result.cache.keys.length; layer++) {
        expect(result.cache.keys[layer]!.shape[2]).toBe(Math.max(...wanted));
        const positions = result.cache.positions[layer]!.arraySync();
        wanted.forEach((count, row) => {
          for (const head of positions[row] ?? positions[0]!) {
            const real = head.filter((position) => position < PAD_POSITION);
            expect(new Set(real).size).toBe(count);
            expect(real).toContain(0);
          }
        });
      }
      // A method that writes rows of its own may count on from them.
      result.cache.nextPositions.forEach((next, row) =>
        expect([contexts[row]!.length, wanted[row]!]).toContain(next),
      );
    });

    it('gives the same alone and in a batch, and the same twice', () => {
      const together = compress([5, 3]);
      const alone = compress([5, 3], [1]);
      expectClose(together.logits[1]!, alone.logits[0]!);
      expect(compress([5, 3]).logits).toEqual(together.logits);
    });

    it('changes nothing where every row stays, but for what its adapter packs in', () => {
      const { logits, result } = compress([12, 7]);
      const { model } = tinyDecoder(family);
      const plain = tf.tidy(() => {
        const whole = contexts.map((context, i) => [...context, ...questions[i]!]);
        const batch = makeBatch(whole);
        const all = model.logits(model.forward(batch).hidden).arraySync();
        return whole.map((ids, row) => all[row * batch.tokens + ids.length - 1]!);
      }) as unknown as number[][];
      if (method.needs.training || result.kept[0]! < 12) expect(logits[0]).not.toEqual(plain[0]);
      else logits.forEach((row, i) => expectClose(row, plain[i]!));
    });

    it('has an adapter exactly where it needs one', () => {
      expect(method.trainable !== undefined).toBe(method.needs.training);
    });

    it('leaves no tensor behind', () => {
      const { model } = tinyDecoder(family);
      const request = {
        model,
        contexts,
        kept: [5, 3],
        questions,
        ...(method.needs.training && { adapter: tinyTrained(method, model) }),
      };
      disposeCache(method.compress(request, options).cache);
      const before = tf.memory().numTensors;
      disposeCache(method.compress(request, options).cache);
      expect(tf.memory().numTensors).toBe(before);
    });
  });
});
