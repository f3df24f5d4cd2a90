/** Entropy-gated ChunkKV: chunks that owe their score to a few rows keep those alone. */
import { z } from 'zod';
import { bestFirst, scoreArrays, withScores, type HeadScores } from './arrays.js';
import { ofPress } from './kvpress.js';
import { scorings } from './scorings.js';
import { defineWrapper, ofOption } from './wrapper.js';

/** Kept from a logarithm of zero, and from a division by it. */
const EPSILON = 1e-8;

interface Chunk {
  rows: number[];
  mean: number;
  /** Of its rows' shares of its score, from 0 (one row has it all) to 1 (all alike). */
  entropy: number;
}

function chunkOf(scores: HeadScores, rows: number[]): Chunk {
  const own = rows.map((row) => scores[row]!);
  const mean = own.reduce((sum, score) => sum + score, 0) / own.length;
  const lift = Math.min(0, ...own);
  const total = own.reduce((sum, score) => sum + score - lift, 0) + EPSILON;
  const entropy = own.reduce((sum, score) => {
    const share = (score - lift) / total;
    return sum - share * Math.log(share + EPSILON);
  }, 0);
  const even = own.length === 1 ? 0 : Math.min(1, Math.max(0, entropy / Math.log(own.length)));
  return { rows, mean, entropy: even };
}

/** The lower of the two in the middle where there are two. */
function lowerMedian(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)]!;
}

/** The `kept` rows that stay, in the order in which they are chosen. */
function chosenRows(scores: HeadScores, kept: number, size: number, few: number): number[] {
  const chunks = Array.from({ length: Math.ceil(scores.length / size) }, (_, i) => {
    const count = Math.min(size, scores.length - i * size);
    return chunkOf(
      scores,
      Array.from({ length: count }, (_, row) => i * size + row),
    );
  });
  const worth = lowerMedian(chunks.map(({ mean }) => mean));
  const even = lowerMedian(chunks.map(({ entropy }) => entropy));
  const byScore = (rows: readonly number[]): number[] => [...rows].sort((a, b) => scores[b]! - scores[a]!);
  const chosen: number[] = [];
  for (const place of bestFirst(Float32Array.from(chunks, ({ mean }) => mean))) {
    const { rows, mean, entropy } = chunks[place]!;
    const spiky = mean >= worth && entropy < even;
    const count = Math.min(rows.length, kept - chosen.length, spiky ? few : Infinity);
    chosen.push(...byScore(rows).slice(0, count));
  }
  const taken = new Set(chosen);
  const left = [...scores.keys()].filter((row) => !taken.has(row));
  return [...chosen, ...byScore(left).slice(0, kept - chosen.length)];
}

/**
 * kvpress's EntropyGatedChunkKVPress: chunks of 10 rows by the mean of their scores, summed over KV heads, which all keep the
 * same; of a chunk of no less than the median score whose entropy is below the median, the best 4 rows alone. What is
 * left of the rows asked for goes to the best others.
 */
export const entropyChunkkv = defineWrapper(scorings, {
  name: 'entropy-chunkkv',
  summary: "Chunks of neighbouring rows, whole or their best few, by another method's scores",
  reference: 'after ChunkKV, arXiv 2502.00299; kvpress EntropyGatedChunkKVPress',
  kvpress: {
    press: 'EntropyGatedChunkKVPress',
    options: ofPress(scorings, 'chunk_length', 'low_entropy_chunk_length'),
    scores: 'order',
  },
  options: z.strictObject({
    of: ofOption(scorings, 'snapkv'),
    chunk_length: z.int().min(2).default(10).describe('rows of a chunk'),
    low_entropy_chunk_length: z
      .int()
      .min(1)
      .default(4)
      .describe('rows kept of a chunk that owes its score to a few; fewer than those of a chunk'),
  }),
  rank: (request, { method, options }, { chunk_length, low_entropy_chunk_length }) => {
    const ranking = method.rank(request, options);
    // Sinks stay by themselves and must not lift the rows beside them.
    const scores = scoreArrays({ ...ranking, sinks: 0 });
    const order = scores.map((sequences) =>
      sequences.map((heads, sequence) => {
        const summed = heads[0]!.map((_, row) => heads.reduce((sum, own) => sum + own[row]!, 0));
        const places = new Float32Array(summed.length);
        const kept = request.kept[sequence]!;
        chosenRows(summed, kept, chunk_length, low_entropy_chunk_length).forEach(
          (row, place) => (places[row] = kept - place),
        );
        return [places];
      }),
    );
    return withScores(ranking, order);
  },
});
