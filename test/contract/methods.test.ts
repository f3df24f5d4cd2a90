/** What every registered compression method must hold to. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { keptTokens } from '../../src/experiment/retention.js';
import { startEngine } from '../../src/engine/index.js';
import { methods } from '../../src/methods/index.js';
import type { Compression, Method } from '../../src/methods/method.js';
import { isScoring, rankTidily } from '../../src/methods/scoring.js';
import { scorings } from '../../src/methods/scorings.js';
import { architectures } from '../../src/models/architectures/index.js';
import { makeBatch, PAD_POSITION } from '../../src/models/batch.js';
import { disposeCache, type KvCache } from '../../src/models/cache.js';
import type { Decoder } from '../../src/models/decoder.js';
import { methodLabel, type NamedOptions } from '../../src/reports/method-label.js';
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

/** Sizes that fit tiny contexts. */
const SMALL = {
  n_sink: 1,
  window_size: 3,
  lag_size: 2,
  chunk_length: 3,
  block_size: 2,
  chunk_size: 4,
  n_last: 1,
};

/** Options under which a tiny context of a few rows tells methods apart; a wrapper goes around `keydiff`. */
function testOptions(method: Method, question: boolean): Record<string, unknown> {
  const { shape } = method.options;
  if (method.needs.training) return {};
  const aware = question && { question };
  return {
    ...Object.fromEntries(Object.entries(SMALL).filter(([name]) => name in shape)),
    ...('of' in shape ? { of: { name: 'keydiff', n_sink: 1, ...aware } } : aware),
  };
}

/** All methods, and again those that may be shown the question. */
const variants = methods.names().flatMap((name) => {
  const { options, needs } = methods.get(name);
  const choice = !needs.training && ('question' in options.shape || 'of' in options.shape);
  return [
    [name, { name, question: false }] as const,
    ...(choice ? [[`${name}, question-aware`, { name, question: true }] as const] : []),
  ];
});

/** Positions of the rows that a sequence's heads hold, [layer][head]. */
function heldPositions(cache: KvCache, sequence: number, kvHeads: number): number[][][] {
  return cache.positions.map((positions) => {
    const all = positions.arraySync();
    const heads = all[sequence] ?? all[0]!;
    return Array.from({ length: kvHeads }, (_, head) =>
      (heads[head] ?? heads[0]!).filter((position) => position < PAD_POSITION),
    );
  });
}

/**
 * The families on which everything is checked, with methods as they are by default; on the others, and with the question
 * shown, sizes, and that a batch changes nothing.
 */
const WHOLE = ['llama', 'gemma2'];

describe.each(architectures.names())('on %s', (family) => {
  describe.each(variants)('method %s', (_, { name, question }) => {
    /** Declares no test on the other families: what is reported as skipped is only what could not run. */
    const whole = (title: string, check: () => void): void => {
      if (WHOLE.includes(family) && !question) it(title, check);
    };
    const method = methods.get(name);
    const { budget } = method;
    const options = testOptions(method, question);
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
          ...(method.readsQuestion(options) && { questions: which.map((i) => questions[i]!) }),
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

    whole('gives the same where attention goes in pieces', () => {
      const rows = left([5, 3]);
      const { logits } = compress(rows);
      const inPieces = compress(rows, [0, 1], 2 * 4 * 12 * 5).logits;
      logits.forEach((values, row) => expectClose(inPieces[row]!, values, 1e-5));
    });

    it('holds as many rows as asked for, over all layers and heads', () => {
      const wanted = left([5, 3]);
      const { result } = compress(wanted);
      const { numKvHeads } = tinyDecoder(family).model.config;
      const widths = result.cache.keys.map((keys) => keys.shape[2]);
      const counted = wanted.map((_, row) =>
        heldPositions(result.cache, row, numKvHeads).map((heads) =>
          heads.map((positions) => {
            expect(new Set(positions).size).toBe(positions.length);
            expect(positions).toContain(0);
            return positions.length;
          }),
        ),
      );
      const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
      expect(counted.map((layers) => mean(layers.flat()))).toEqual(wanted);
      expect(result.kept).toEqual(wanted);
      // Memory is held for the longest head of each layer, and for none of them more.
      expect(widths).toEqual(
        widths.map((_, layer) => Math.max(...counted.flatMap((layers) => layers[layer]!))),
      );
      const held = counted.map((layers) => mean(layers.map((heads) => Math.max(...heads))));
      expect(result.held ?? result.kept).toEqual(held);
      // A method that writes rows of its own may count on from them.
      result.cache.nextPositions.forEach((next, row) =>
        expect([contexts[row]!.length, wanted[row]!]).toContain(next),
      );
    });

    whole('keeps the rows that it scores highest', () => {
      if (!isScoring(method)) return;
      const { model } = tinyDecoder(family);
      const request = {
        model,
        contexts,
        kept: [5, 3],
        ...(method.readsQuestion(options) && { questions }),
      };
      const ranking = rankTidily(method, request, options);
      const { cache } = method.compress(request, options);
      contexts.forEach((context, row) => {
        // Rows that moved up say no more which they were.
        if (cache.nextPositions[row] !== context.length) return;
        heldPositions(cache, row, model.config.numKvHeads).forEach((heads, layer) => {
          const scores = ranking.scores[layer]!.arraySync()[row]!;
          heads.forEach((positions, head) => {
            const own = (scores[head] ?? scores[0]!).slice(0, context.length);
            const scored = [...own.keys()].filter((t) => t > 0);
            const least = Math.min(...positions.filter((t) => t > 0).map((t) => own[t]!));
            const best = Math.max(...scored.filter((t) => !positions.includes(t)).map((t) => own[t]!));
            expect(least).toBeGreaterThanOrEqual(best);
          });
        });
      });
    });

    it('gives the same alone and in a batch, and the same twice', () => {
      const together = compress([5, 3]);
      const alone = compress([5, 3], [1]);
      expectClose(together.logits[1]!, alone.logits[0]!);
      expect(compress([5, 3]).logits).toEqual(together.logits);
    });

    whole('changes nothing where every row stays, but for what its adapter packs in', () => {
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

    it('reads the question exactly where it is to', () => {
      expect(method.readsQuestion(options)).toBe(question || method.needs.question);
    });

    whole('has an adapter exactly where it needs one', () => {
      expect(method.trainable !== undefined).toBe(method.needs.training);
    });

    whole('leaves no tensor behind', () => {
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

describe.each(methods.names().filter((name) => 'of' in methods.get(name).options.shape))(
  'wrapper %s',
  (name) => {
    let decoder: Decoder | undefined;
    it.each(scorings.names())('composes with %s', (of) => {
      const wrapper = methods.get(name);
      const model = (decoder ??= tinyDecoder().model);
      const options = { of: { name: of, n_sink: 1 } };
      expect(wrapper.readsQuestion(options)).toBe(scorings.get(of).needs.question);
      const { cache, kept } = wrapper.compress({ model, contexts, kept: [5, 3], questions }, options);
      expect(kept).toEqual([5, 3]);
      const { numLayers, numKvHeads } = model.config;
      const held = contexts.flatMap((_, row) => heldPositions(cache, row, numKvHeads).flat(2));
      expect(held.length).toBe(8 * numLayers * numKvHeads);
      disposeCache(cache);
    });
  },
);

it('reports know which methods see the question', () => {
  const plain = variants.map(([, { name, question }]) => ({
    name,
    options: testOptions(methods.get(name), question),
  }));
  const wrapped = scorings.names().map((of) => ({ name: 'key-rerotation', options: { of: { name: of } } }));
  for (const { name, options } of [...plain, ...wrapped]) {
    const { questionAware } = methodLabel(name, options as NamedOptions);
    expect(`${name} ${questionAware}`).toBe(`${name} ${methods.get(name).readsQuestion(options)}`);
  }
});
