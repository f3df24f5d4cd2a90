/** Merging: what is evicted leaves some of its value with the kept row whose key is most like its own. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { PAD_POSITION } from '../models/batch.js';
import type { KvCache } from '../models/cache.js';
import { ofPress } from './kvpress.js';
import { unitRows } from './rows.js';
import { keepRanked, type Ranking } from './scoring.js';
import { scorings } from './scorings.js';
import { defineWrapper, ofOption } from './wrapper.js';

const EPSILON = 1e-6;

interface Gates {
  similarity_threshold: number;
  merge_fraction: number;
}

/** The value at a share of the way through sorted ones, between two neighbours in proportion. */
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!];
  return low === high ? low : low + (high - low) * (at - Math.floor(at));
}

function norms(rows: Float32Array, width: number): Float32Array {
  return Float32Array.from({ length: rows.length / width }, (_, row) =>
    Math.hypot(...rows.subarray(row * width, (row + 1) * width)),
  );
}

/** Rows of one head: which are evicted, whom each is most like, and by how much. */
interface Likeness {
  evicted: readonly number[];
  /** Cosine of each evicted row's key and the most similar kept one's. */
  similarity: readonly number[];
  /** Number of that kept row. */
  target: readonly number[];
}

/** Values of one head's kept rows, [kept·headDim], with those of evicted rows merged in. */
function merged(
  { evicted, similarity, target }: Likeness,
  values: Float32Array,
  kept: Float32Array,
  headDim: number,
  { similarity_threshold, merge_fraction }: Gates,
): Float32Array {
  const allowed = similarity.map((own) => own >= similarity_threshold);
  const valid = similarity.map((own, i) => (allowed[i] ? own : -Infinity)).sort((a, b) => a - b);
  const least =
    merge_fraction < 1 && allowed.includes(true) ? quantile(valid, 1 - merge_fraction) : -Infinity;
  const [ownNorms, keptNorms] = [norms(values, headDim), norms(kept, headDim)];
  const sums = Float64Array.from(kept);
  const weights = new Float64Array(keptNorms.length).fill(1);
  evicted.forEach((row, i) => {
    const to = target[i]!;
    if (!allowed[i] || similarity[i]! < least) return;
    const share = ownNorms[row]! / (ownNorms[row]! + keptNorms[to]! + EPSILON);
    const weight = Math.max(0, similarity[i]!) * share;
    weights[to]! += weight;
    for (let d = 0; d < headDim; d++) sums[to * headDim + d]! += weight * values[row * headDim + d]!;
  });
  return Float32Array.from(sums, (sum, i) => sum / weights[Math.floor(i / headDim)]!);
}

/** Values of a layer's kept rows once those of its evicted rows are merged into them. */
function mergedValues({ cache, extents }: Ranking, kept: KvCache, layer: number, gates: Gates): tf.Tensor4D {
  const [keys, values] = [cache.keys[layer]!, cache.values[layer]!];
  const [batch, heads, tokens, headDim] = keys.shape;
  const width = kept.keys[layer]!.shape[2];
  const positions = kept.positions[layer]!;
  const held = tf.broadcastTo(positions, [batch, heads, width]).dataSync() as Float32Array;
  const similarity = tf.tidy(() => {
    const padding = tf.expandDims(tf.greaterEqual(positions, PAD_POSITION), 2);
    const likeness = tf.matMul(unitRows(keys, EPSILON), unitRows(kept.keys[layer]!, EPSILON), false, true);
    const real = tf.where(tf.broadcastTo(padding, likeness.shape), tf.fill(likeness.shape, -2), likeness);
    return [tf.max(real, 3).dataSync(), tf.argMax(real, 3).dataSync()] as const;
  });
  const [before, after] = [values.dataSync(), kept.values[layer]!.dataSync()] as Float32Array[];
  const result = new Float32Array(after!.length);
  for (let list = 0; list < batch * heads; list++) {
    const sequence = Math.floor(list / heads);
    const start = extents.starts[sequence]!;
    const staying = new Set(held.subarray(list * width, (list + 1) * width));
    const evicted = Array.from({ length: extents.lengths[sequence]! }, (_, row) => row).filter(
      (row) => !staying.has(start + row),
    );
    const likeness = {
      evicted,
      similarity: evicted.map((row) => similarity[0][list * tokens + row]!),
      target: evicted.map((row) => similarity[1][list * tokens + row]!),
    };
    const own = before!.subarray(list * tokens * headDim, (list + 1) * tokens * headDim);
    const rest = after!.subarray(list * width * headDim, (list + 1) * width * headDim);
    result.set(merged(likeness, own, rest, headDim, gates), list * width * headDim);
  }
  return tf.tensor4d(result, [batch, heads, width, headDim]);
}

/**
 * kvpress's MergingPress: rows stay by another method's scores, and each evicted row's value is added to that of the kept
 * row whose key is most like its own (by cosine, after rotary embedding), weighed by the cosine and by ‖its value‖ over
 * the sum of both values' norms; the sum is divided by one and the weights. Keys stay as they are.
 */
export const merging = defineWrapper(scorings, {
  name: 'merging',
  summary: "Evicted values merged into the kept rows most like them, by another method's scores",
  reference: 'after ToMe, arXiv 2210.09461, and D2O, arXiv 2406.13035; kvpress MergingPress',
  kvpress: {
    press: 'MergingPress',
    options: ofPress(scorings, 'similarity_threshold', 'merge_fraction'),
  },
  options: z.strictObject({
    of: ofOption(scorings, 'snapkv'),
    similarity_threshold: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe('least cosine at which values are merged'),
    merge_fraction: z
      .number()
      .gt(0)
      .max(1)
      .default(1)
      .describe('share of the evicted rows that are merged, those most like a kept one'),
  }),
  rank: (request, { method, options }) => method.rank(request, options),
  keep: (_request, ranking, gates) => {
    const compression = keepRanked(ranking);
    const { cache } = compression;
    const values = cache.values.map((_, layer) => mergedValues(ranking, cache, layer, gates));
    return { ...compression, cache: { ...cache, values } };
  },
});
