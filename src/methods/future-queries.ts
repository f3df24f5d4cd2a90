/** Where queries to come stand: what expected-attention and cap share. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { span, type TokenBatch } from '../models/batch.js';
import type { Decoder } from '../models/decoder.js';
import type { RotaryTable } from '../models/ops.js';
import { cosSin, inverseFrequencies } from '../models/rope.js';
import { sinkCounts } from './selection.js';

export const futureOption = {
  n_future_positions: z.int().min(1).default(512).describe('positions over which the queries to come spread'),
};

/** 1 at tokens behind the sinks, 0 at sinks and padding: [batch, 1, tokens, 1]. */
export function behindSinks(batch: TokenBatch, sinks: number): tf.Tensor4D {
  const sunken = sinkCounts(batch, sinks);
  const marks = span(
    batch,
    (_, row) => sunken[row]!,
    (length) => length,
  );
  return tf.tensor4d(marks, [batch.batch, 1, batch.tokens, 1]);
}

/** Mean rotation over the positions behind each sequence, tables [batch, 1, 1, headDim]. */
export function meanRotation(model: Decoder, batch: TokenBatch, count: number): RotaryTable {
  const { rope, headDim } = model.config;
  const inverse = inverseFrequencies(rope, headDim);
  const mean = (table: Float32Array, sign: (i: number) => number): number[] =>
    Array.from({ length: headDim }, (_, i) => {
      let sum = 0;
      for (let p = 0; p < count; p++) sum += table[p * headDim + i]!;
      return (sign(i) * sum) / count;
    });
  const tables = batch.lengths.map((length, row) => {
    const end = batch.starts[row]! + length;
    const { cos, sin } = cosSin(
      inverse,
      Array.from({ length: count }, (_, i) => end + i),
    );
    return { cos: mean(cos, () => 1), signedSin: mean(sin, (i) => (i < headDim / 2 ? -1 : 1)) };
  });
  const shape = [batch.batch, 1, 1, headDim];
  return {
    cos: tf.tensor(
      tables.flatMap(({ cos }) => cos),
      shape,
    ),
    signedSin: tf.tensor(
      tables.flatMap(({ signedSin }) => signedSin),
      shape,
    ),
  };
}
