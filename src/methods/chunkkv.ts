/** ChunkKV: neighbouring rows stay or go together. */
import { z } from 'zod';
import { bestFirst, scoreArrays, withScores, type HeadScores } from './arrays.js';
import { ofPress } from './kvpress.js';
import { scorings } from './scorings.js';
import { defineWrapper, ofOption } from './wrapper.js';

/** Order of rows, the first best, if chunks follow each other by their mean score summed over heads. */
function chunkOrder(heads: readonly HeadScores[], size: number): HeadScores {
  const { length } = heads[0]!;
  const count = Math.ceil(length / size);
  const means = Float32Array.from({ length: count }, (_, chunk) => {
    const rows = heads.map((scores) => scores.subarray(chunk * size, (chunk + 1) * size));
    return rows.reduce((sum, own) => sum + own.reduce((a, b) => a + b, 0) / own.length, 0);
  });
  const order = new Float32Array(length);
  let place = length;
  for (const chunk of bestFirst(means)) {
    for (let row = chunk * size; row < Math.min(length, (chunk + 1) * size); row++) order[row] = place--;
  }
  return order;
}

/**
 * kvpress's ChunkKVPress: chunks of 20 rows by the mean of their scores, summed over KV heads, which all keep the same.
 * Just as many rows stay as asked for, so that the last chunk may be cut (its first rows stay); kvpress keeps whole
 * chunks, rounding their number down.
 */
export const chunkkv = defineWrapper(scorings, {
  name: 'chunkkv',
  summary: "Whole chunks of neighbouring rows, by another method's scores",
  reference: 'ChunkKV, arXiv 2502.00299; kvpress ChunkKVPress',
  kvpress: {
    press: 'ChunkKVPress',
    options: ofPress(scorings, 'chunk_length'),
    scores: 'order',
  },
  options: z.strictObject({
    of: ofOption(scorings, 'snapkv'),
    chunk_length: z.int().min(1).default(20).describe('rows of a chunk'),
  }),
  rank: (request, { method, options }, { chunk_length }) => {
    const ranking = method.rank(request, options);
    // Sinks stay by themselves and must not lift the rows beside them.
    const scores = scoreArrays({ ...ranking, sinks: 0 });
    return withScores(
      ranking,
      scores.map((sequences) => sequences.map((heads) => [chunkOrder(heads, chunk_length)])),
    );
  },
});
