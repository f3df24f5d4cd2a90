/** Chunks of a context that keep the same share of their rows each. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import type { CompressionRequest } from './method.js';
import { bestFirst, scoreArrays, withScores, type HeadScores } from './arrays.js';
import { apportion } from './folding.js';
import type { Ranking } from './scoring.js';
import { ofPress } from './kvpress.js';
import { scorings } from './scorings.js';
import { defineWrapper, ofOption, type Scores } from './wrapper.js';

/** Where chunks of `size` begin, and how long they are. */
function chunksOf(length: number, size: number): { at: number; count: number }[] {
  return Array.from({ length: Math.ceil(length / size) }, (_, i) => ({
    at: i * size,
    count: Math.min(size, length - i * size),
  }));
}

/** Scores that chunks have for themselves where keys and values are all that they need; else those of the whole. */
function chunkScores({ method, options }: Scores, ranking: Ranking, size: number): tf.Tensor3D[] {
  if (method.scoreRows === undefined) return [...ranking.scores];
  const { lengths, starts } = ranking.extents;
  return ranking.scores.map((whole, layer) => {
    const tokens = whole.shape[2];
    const pieces = chunksOf(tokens, size).map(({ at, count }) => {
      const cut = (x: tf.Tensor4D): tf.Tensor4D => tf.slice(x, [0, 0, at, 0], [-1, -1, count, -1]);
      const extents = {
        starts: starts.map((start) => start + at),
        // A sequence that has ended has one row here, which is padding and never stays.
        lengths: lengths.map((length) => Math.min(count, Math.max(1, length - at))),
      };
      const { keys, values } = ranking.cache;
      return method.scoreRows!({ keys: cut(keys[layer]!), values: cut(values[layer]!), extents }, options);
    });
    return tf.concat(pieces, 2);
  });
}

/** 1 for a chunk's best rows, so many of each as its share of `kept`, 0 for others; of one head. */
function chosenInChunks(scores: HeadScores, kept: number, size: number): HeadScores {
  const chunks = chunksOf(scores.length, size);
  const shares = apportion(
    kept,
    chunks.map(({ count }) => count),
  );
  const chosen = new Float32Array(scores.length);
  chunks.forEach(({ at, count }, i) => {
    for (const row of bestFirst(scores.subarray(at, at + count)).slice(0, shares[i])) chosen[at + row] = 1;
  });
  return chosen;
}

function rank(request: CompressionRequest, of: Scores, size: number): Ranking {
  const ranking = of.method.rank(request, of.options);
  const local = { ...ranking, scores: chunkScores(of, ranking, size) };
  const chosen = scoreArrays(local).map((sequences) =>
    sequences.map((heads, sequence) =>
      heads.map((scores) => chosenInChunks(scores, request.kept[sequence]!, size)),
    ),
  );
  return withScores(local, chosen);
}

/**
 * kvpress's ChunkPress: chunks of 1,024 rows of one prefill are compressed each for itself. Scores of keys and values
 * alone are made within each chunk; others (attention) look at the whole context, where kvpress would let a chunk's last
 * tokens attend. Rows are shared out by largest remainders, so that just those asked for stay; kvpress rounds each
 * chunk down.
 */
export const chunk = defineWrapper(scorings, {
  name: 'chunk',
  summary: "The same share of rows from each chunk, by another method's scores",
  reference: 'kvpress ChunkPress',
  kvpress: {
    press: 'ChunkPress',
    options: ofPress(scorings, 'chunk_length'),
    scores: 'order',
  },
  options: z.strictObject({
    of: ofOption(scorings, 'keydiff'),
    chunk_length: z.int().min(1).default(1024).describe('rows of a chunk'),
  }),
  rank: (request, of, { chunk_length }) => rank(request, of, chunk_length),
});
