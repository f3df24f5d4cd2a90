/** SnapKV against kvpress 0.5.5 (test/golden/make/fixtures_kvpress.py): 256 tokens of context, 12 after. */
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { startEngine } from '../../../src/engine/index.js';
import { windowScores } from '../../../src/methods/observation-window.js';
import { prefillWithScores } from '../../../src/methods/prefill.js';
import { snapkv } from '../../../src/methods/snapkv.js';
import { snapkvQuestion } from '../../../src/methods/snapkv-question.js';
import { makeBatch } from '../../../src/models/batch.js';
import { loadDecoder } from '../../../src/models/checkpoint.js';
import { greedy } from '../../../src/models/generate.js';
import { openSafetensors } from '../../../src/models/safetensors.js';
import { expectClose } from '../../helpers/closeness.js';
import { golden } from '../../helpers/golden.js';
import { tinyDecoder } from '../../helpers/tiny.js';

beforeAll(() => startEngine());

const folder = golden('kvpress/llama8');
const full = openSafetensors(join(folder, 'full.safetensors'));
const context = [...full.readInt('context_ids').data];
const continuation = [...full.readInt('continuation_ids').data];
const heads = full.readFloat('keys.0').shape[0]!;

describe.each([
  ['snapkv_w16.cr50', 16, 128],
  ['snapkv_w16.cr80', 16, 51],
  ['snapkv_w64.cr50', 64, 128],
] as const)('%s', (name, window_size, rows) => {
  const reference = openSafetensors(join(folder, `${name}.safetensors`));
  const options = snapkv.options.parse({ window_size }) as { window_size: number; kernel_size: number };

  it('scores as kvpress does', () => {
    const model = loadDecoder(golden('llama8'));
    tf.tidy(() => {
      const batch = makeBatch([context]);
      const { scores } = prefillWithScores(model, batch, windowScores(batch, options));
      scores.forEach((tensor, layer) => {
        const expected = reference.readFloat(`scores.${layer}`).data;
        const ours = tensor.dataSync();
        for (let head = 0; head < heads; head++) {
          const prefix = (all: ArrayLike<number>): number[] =>
            Array.from(all).slice(head * 256, head * 256 + 256 - window_size);
          expectClose(prefix(ours), prefix(expected), 1e-5);
        }
      });
    });
    model.dispose();
  });

  it('keeps the same rows, and speaks the same from them', () => {
    const model = loadDecoder(golden('llama8'));
    const request = { model, contexts: [context], kept: [rows] };
    const { cache } = snapkv.compress(request, options);
    cache.positions.forEach((positions, layer) => {
      const kept = (positions.arraySync()[0] ?? []).map((head) => [...head].sort((a, b) => a - b));
      expect(kept.flat()).toEqual([...reference.readInt(`kept.${layer}`).data]);
    });
    const batch = makeBatch([continuation], { starts: cache.nextPositions });
    const logits = tf.tidy(() => model.logits(model.forward(batch, { past: cache }).hidden).dataSync());
    expectClose(logits, reference.readFloat('continuation_logits').data, 1e-4);
    const answer = greedy(model, cache, [[continuation[0]!]], { maxNewTokens: 12, eosIds: [] });
    expect(answer[0]).toEqual([...reference.readInt('greedy_ids').data]);
    model.dispose();
  });
});

it('looks at the question where it may', () => {
  const { model } = tinyDecoder();
  const base = { model, contexts: [Array.from({ length: 40 }, (_, t) => 1 + ((7 * t) % 39))], kept: [6] };
  const kept = (questions: number[][]): number[] => {
    const request = { ...base, questions };
    const { cache } = snapkvQuestion.compress(request, { window_size: 3, kernel_size: 1 });
    return [...cache.positions[0]!.dataSync()];
  };
  const questions = [[[3, 10, 4]], [[30, 5, 21]], [[8, 8, 8]]];
  expect(new Set(questions.map((question) => kept(question).join(' '))).size).toBeGreaterThan(1);
  for (const question of questions) expect(Math.max(...kept(question))).toBeLessThan(40);
});
