/** Blocks of rows that arrive one after the other, the best of what was kept and what came staying. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { takeRows } from '../models/cache.js';
import { bestFirst } from './arrays.js';
import type { CompressionRequest } from './method.js';
import { bySequence } from './rows.js';
import type { Ranking } from './scoring.js';
import { ofPress } from './kvpress.js';
import { scorings } from './scorings.js';
import { withSinksAndPadding } from './selection.js';
import { defineWrapper, ofOption, type Scores } from './wrapper.js';

/** Rows of each head of one sequence that are left when all blocks have come: 1 where a row stays. */
function survivors(
  { method, options }: Scores,
  { keys, values }: { keys: tf.Tensor4D; values: tf.Tensor4D },
  { kept, start, sinks, size }: { kept: number; start: number; sinks: number; size: number },
): tf.Tensor3D {
  const [, heads, length] = keys.shape;
  let left = Array.from({ length: heads }, () => Array.from({ length: kept }, (_, row) => row));
  for (let at = kept; at < length; at += size) {
    const came = Array.from({ length: Math.min(size, length - at) }, (_, i) => at + i);
    const rows = left.map((own) => [...own, ...came]);
    const width = kept + came.length;
    const scores = tf.tidy(() => {
      const index = tf.tensor3d(rows.flat(), [1, heads, width], 'int32');
      const extents = { starts: [start], lengths: [width] };
      const [k, v] = [takeRows(keys, index) as tf.Tensor4D, takeRows(values, index) as tf.Tensor4D];
      // Sinks were kept first and are still in front.
      return withSinksAndPadding(
        method.scoreRows!({ keys: k, values: v, extents }, options),
        extents,
        sinks,
      ).dataSync();
    }) as Float32Array;
    left = rows.map((own, head) =>
      bestFirst(scores.subarray(head * width, (head + 1) * width))
        .slice(0, kept)
        .sort((a, b) => a - b)
        .map((place) => own[place]!),
    );
  }
  const marks = new Float32Array(heads * length);
  left.forEach((own, head) => own.forEach((row) => (marks[head * length + row] = 1)));
  return tf.tensor3d(marks, [1, heads, length]);
}

function rank(request: CompressionRequest, of: Scores, size: number): Ranking {
  const ranking = of.method.rank(request, of.options);
  if (of.method.scoreRows === undefined) return ranking;
  const { lengths, starts } = ranking.extents;
  const scores = ranking.cache.keys.map((keys, layer) =>
    tf.tidy(() =>
      bySequence(lengths, keys.shape[2], (sequence, length) => {
        const own = (x: tf.Tensor4D): tf.Tensor4D => tf.slice(x, [sequence, 0, 0, 0], [1, -1, length, -1]);
        const places = {
          kept: request.kept[sequence]!,
          start: starts[sequence]!,
          sinks: ranking.sinks,
          size,
        };
        return survivors(of, { keys: own(keys), values: own(ranking.cache.values[layer]!) }, places);
      }),
    ),
  );
  return { ...ranking, scores };
}

/**
 * kvpress's BlockPress: as many rows as are kept, then blocks of 128; after each block its rows and those kept so far
 * are scored among each other, and the best stay. All keys come from one prefill. Rows go on in their order, where
 * kvpress leaves them in that of their scores. A method whose scores are not made of keys and values alone scores each
 * row once and for all, which makes this the method itself; kvpress refuses observed attention.
 */
export const block = defineWrapper(scorings, {
  name: 'block',
  summary: "The best of what was kept and each block that comes, by another method's scores",
  reference: 'KeyDiff, arXiv 2504.15364; kvpress BlockPress',
  kvpress: {
    press: 'BlockPress',
    options: ofPress(scorings, 'block_size'),
    scores: 'order',
  },
  options: z.strictObject({
    of: ofOption(scorings, 'keydiff'),
    block_size: z.int().min(1).default(128).describe('rows that come at once'),
  }),
  rank: (request, of, { block_size }) => rank(request, of, block_size),
});
