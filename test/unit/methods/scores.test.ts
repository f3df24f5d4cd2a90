import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { startEngine } from '../../../src/engine/index.js';
import { scoreTokens } from '../../../src/methods/scorer.js';
import { makeBatch } from '../../../src/models/batch.js';
import { expectClose } from '../../helpers/closeness.js';
import { tinyAdapter, tinyDecoder } from '../../helpers/tiny.js';

beforeAll(() => startEngine());

const contexts = [
  [1, 5, 9, 13, 17, 21, 25, 29],
  [1, 8, 2, 30, 31],
];

function scores(sequences: number[][], spread: number | null): number[][] {
  const { model } = tinyDecoder();
  const { scorer } = tinyAdapter(model);
  return tf.tidy(() => {
    const batch = makeBatch(sequences);
    const { hidden } = model.forward(batch, { layers: 1 });
    const found = scoreTokens({ ...scorer, bias: 0.5, spread }, hidden, batch, 1);
    return found.arraySync().map(([only]) => only!);
  });
}

it('brings the scores of each context, sinks and padding aside, to one mean and deviation', () => {
  const rows = scores(contexts, 1.5);
  contexts.forEach((context, row) => {
    const counted = rows[row]!.slice(1, context.length);
    const mean = counted.reduce((sum, s) => sum + s, 0) / counted.length;
    const variance = counted.reduce((sum, s) => sum + (s - mean) ** 2, 0) / counted.length;
    expect(mean).toBeCloseTo(0.5, 5);
    expect(Math.sqrt(variance)).toBeCloseTo(1.5, 3);
  });
});

it('scores a context as it would alone, and keeps the order of the raw scores', () => {
  const together = scores(contexts, 1.5);
  const raw = scores(contexts, null);
  const order = (row: number[]): number[] => [...row.keys()].sort((i, j) => row[i]! - row[j]!);
  contexts.forEach((context, row) => {
    const kept = together[row]!.slice(0, context.length);
    expectClose(kept, scores([context], 1.5)[0]!, 1e-5);
    expect(order(kept)).toEqual(order(raw[row]!.slice(0, context.length)));
  });
});
