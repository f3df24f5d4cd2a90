/** The KV cache: what attention looks back at. Rows may be missing, and may differ by layer and head. */
import * as tf from '@tensorflow/tfjs-core';
import { PAD_POSITION } from './batch.js';

/** Keys (after rotary embedding) and values of KV heads, never of query heads. (A type, so that tf.tidy takes it.) */
export type KvCache = {
  /** Per layer [batch, kvHeads, rows, headDim]. */
  keys: tf.Tensor4D[];
  /** Per layer [batch, kvHeads, rows, headDim]. */
  values: tf.Tensor4D[];
  /** Per layer [batch or 1, kvHeads or 1, rows]: original positions; PAD_POSITION = holds nothing. */
  positions: tf.Tensor3D[];
  /** Position of the next token of each sequence: the uncompressed length. */
  nextPositions: number[];
};

/** The distinct tensors of a cache (layers may share their positions). */
export function cacheTensors(cache: KvCache): tf.Tensor[] {
  return [...new Set<tf.Tensor>([...cache.keys, ...cache.values, ...cache.positions])];
}

/** Frees the tensors of a cache. */
export function disposeCache(cache: KvCache): void {
  tf.dispose(cacheTensors(cache));
}

/** `past` followed by `next`, with the next positions of `next`. */
export function appendCache(past: KvCache, next: KvCache): KvCache {
  const joined = new Map<tf.Tensor, tf.Tensor3D>();
  const positions = past.positions.map((before, layer) => {
    const known = joined.get(before);
    if (known !== undefined) return known;
    const both = concatPositions(before, next.positions[layer]!);
    joined.set(before, both);
    return both;
  });
  return {
    keys: past.keys.map((keys, layer) => tf.concat([keys, next.keys[layer]!], 2)),
    values: past.values.map((values, layer) => tf.concat([values, next.values[layer]!], 2)),
    positions,
    nextPositions: next.nextPositions,
  };
}

/** Joins key positions along rows, broadcasting batch and heads where one side has 1. */
export function concatPositions(before: tf.Tensor3D, after: tf.Tensor3D): tf.Tensor3D {
  const batch = Math.max(before.shape[0], after.shape[0]);
  const heads = Math.max(before.shape[1], after.shape[1]);
  const spread = (x: tf.Tensor3D): tf.Tensor3D =>
    x.shape[0] === batch && x.shape[1] === heads ? x : tf.broadcastTo(x, [batch, heads, x.shape[2]]);
  return tf.concat([spread(before), spread(after)], 2);
}

/**
 * Rows of sequences' parts, which follow each other in `x` [parts of all, heads, rows, …], as those of the sequences:
 * [sequences, heads, most parts · rows, …]. A sequence of fewer parts repeats its last one.
 * @param parts how many parts each sequence has
 */
export function joinRows<T extends tf.Tensor>(x: T, parts: readonly number[]): T {
  return tf.tidy(() => {
    const width = Math.max(...parts);
    const [total, heads, rows, ...rest] = x.shape as [number, number, number, ...number[]];
    let end = 0;
    const places = parts.flatMap((count) => {
      end += count;
      return Array.from({ length: width }, (_, part) => end - count + Math.min(part, count - 1));
    });
    const whole = places.length === total ? x : tf.gather(x, tf.tensor1d(places, 'int32'));
    const apart = tf.reshape(whole, [parts.length, width, heads, rows, ...rest]);
    const together = tf.transpose(apart, [0, 2, 1, 3, ...rest.map((_, i) => 4 + i)]);
    return tf.reshape(together, [parts.length, heads, width * rows, ...rest]) as T;
  });
}

/**
 * Caches of sequences' parts, which follow each other in the batch, as the caches of the sequences. Sequences of
 * fewer parts get rows that hold nothing.
 * @param parts how many parts each sequence has
 */
export function joinParts(cache: KvCache, parts: readonly number[]): KvCache {
  return tf.tidy(() => {
    const width = Math.max(...parts);
    const total = parts.reduce((sum, count) => sum + count, 0);
    const real = tf.tensor4d(
      parts.flatMap((count) => Array.from({ length: width }, (_, part) => part < count)),
      [parts.length, 1, width, 1],
      'bool',
    );
    const shared = new Map<tf.Tensor, tf.Tensor3D>();
    const positions = cache.positions.map((before) => {
      const known = shared.get(before);
      if (known !== undefined) return known;
      const [, heads, rows] = before.shape;
      const joined = joinRows(tf.broadcastTo(before, [total, heads, rows]) as tf.Tensor3D, parts);
      const marks = tf.reshape(tf.tile(real, [1, 1, 1, rows]), [parts.length, 1, width * rows]);
      const chosen = tf.where(marks, joined, tf.fill(joined.shape, PAD_POSITION)) as tf.Tensor3D;
      shared.set(before, chosen);
      return chosen;
    });
    let end = 0;
    return {
      keys: cache.keys.map((keys) => joinRows(keys, parts)),
      values: cache.values.map((values) => joinRows(values, parts)),
      positions,
      nextPositions: parts.map((count) => cache.nextPositions[(end += count) - 1]!),
    };
  });
}

/**
 * Rows of `x` [batch, heads, tokens, …] by number, [batch, heads, kept, …]. Row numbers are made those of the
 * flattened tensor, since tfjs-backend-wasm 4.22 gathers wrong rows where there are batch dimensions.
 * @param index int32 [batch, heads, kept]
 */
export function takeRows(x: tf.Tensor, index: tf.Tensor3D): tf.Tensor {
  const [batch, heads, tokens, ...rest] = x.shape as [number, number, number, ...number[]];
  const lists = batch * heads;
  const starts = Int32Array.from({ length: lists }, (_, list) => list * tokens);
  const rows = tf.add(tf.reshape(index, [lists, index.shape[2]]), tf.tensor2d(starts, [lists, 1], 'int32'));
  const flat = tf.reshape(x, [lists * tokens, ...rest]);
  return tf.reshape(tf.gather(flat, tf.reshape(rows, [-1])), [...index.shape, ...rest]);
}

/** Rows of one layer that each sequence's KV heads hold: one number a head, or one for all. */
export type RowCounts = readonly (readonly number[])[];

/** As many rows in every layer and head: `kept` of each sequence. */
export function evenCounts(kept: readonly number[], layers: number): RowCounts[] {
  const counts = kept.map((count) => [count]);
  return Array.from({ length: layers }, () => counts);
}

/**
 * Keeps the given rows of each layer: the rest is gone, not masked. Heads that hold fewer than others of their layer,
 * and sequences that hold fewer than others, are filled up with rows that hold nothing.
 * @param rows per layer int32 [batch, kvHeads or 1, width]: row numbers, padded with any valid one. Layers that share
 * a tensor share their counts.
 * @param counts per layer how many of them count
 */
export function gatherRows(cache: KvCache, rows: tf.Tensor3D[], counts: readonly RowCounts[]): KvCache {
  return tf.tidy(() => {
    const shared = new Map<tf.Tensor, tf.Tensor3D>();
    const positions = cache.positions.map((before, layer) => {
      const index = rows[layer]!;
      const known = shared.get(index);
      if (known !== undefined) return known;
      const [batch, indexHeads, width] = index.shape;
      const own = counts[layer]!;
      const heads = Math.max(indexHeads, own[0]!.length);
      const valid = tf.tensor3d(
        own.flatMap((list) => list.flatMap((count) => Array.from({ length: width }, (_, i) => i < count))),
        [batch, own[0]!.length, width],
        'bool',
      );
      const full = tf.broadcastTo(before, [batch, indexHeads, before.shape[2]]);
      const picked = tf.broadcastTo(takeRows(full, index), [batch, heads, width]) as tf.Tensor3D;
      const chosen = tf.where(valid, picked, tf.fill(picked.shape, PAD_POSITION)) as tf.Tensor3D;
      shared.set(index, chosen);
      return chosen;
    });
    const pick = (x: tf.Tensor4D, index: tf.Tensor3D): tf.Tensor4D => {
      const [batch, heads] = x.shape;
      const spread = tf.broadcastTo(index, [batch, heads, index.shape[2]]) as tf.Tensor3D;
      return takeRows(x, tf.cast(spread, 'int32')) as tf.Tensor4D;
    };
    return {
      keys: cache.keys.map((x, layer) => pick(x, rows[layer]!)),
      values: cache.values.map((x, layer) => pick(x, rows[layer]!)),
      positions,
      nextPositions: cache.nextPositions,
    };
  });
}

/** Bytes of keys and values that a cache of these rows holds in float32. */
export function cacheBytes(rows: number, layers: number, kvHeads: number, headDim: number): number {
  return 2 * 4 * rows * layers * kvHeads * headDim;
}

/** The caches of chosen sequences, in the given order; one may be chosen several times. */
export function selectSequences(cache: KvCache, sequences: readonly number[]): KvCache {
  return tf.tidy(() => {
    const index = tf.tensor1d([...sequences], 'int32');
    const chosen = new Map<tf.Tensor, tf.Tensor3D>();
    const pickPositions = (before: tf.Tensor3D): tf.Tensor3D => {
      const known =
        chosen.get(before) ?? (before.shape[0] === 1 ? tf.clone(before) : tf.gather(before, index));
      chosen.set(before, known);
      return known;
    };
    return {
      keys: cache.keys.map((keys) => tf.gather(keys, index)),
      values: cache.values.map((values) => tf.gather(values, index)),
      positions: cache.positions.map(pickPositions),
      nextPositions: sequences.map((sequence) => cache.nextPositions[sequence]!),
    };
  });
}

/** Without the rows that hold nothing in any sequence and head; the caller disposes `cache`, too. */
export function withoutEmptyRows(cache: KvCache): KvCache {
  return tf.tidy(() => {
    const full = new Map<tf.Tensor, tf.Tensor1D | undefined>();
    const rowsOf = (positions: tf.Tensor3D): tf.Tensor1D | undefined => {
      if (full.has(positions)) return full.get(positions);
      const holds = tf.any(tf.less(positions, PAD_POSITION), [0, 1]).dataSync();
      const rows = Array.from(holds.keys()).filter((row) => holds[row]);
      const index = rows.length < holds.length ? tf.tensor1d(rows, 'int32') : undefined;
      full.set(positions, index);
      return index;
    };
    const shared = new Map<tf.Tensor, tf.Tensor3D>();
    const pick = <T extends tf.Tensor>(x: T, layer: number): T => {
      const index = rowsOf(cache.positions[layer]!);
      return index === undefined ? tf.clone(x) : (tf.gather(x, index, 2) as T);
    };
    return {
      keys: cache.keys.map(pick),
      values: cache.values.map(pick),
      positions: cache.positions.map((before, layer) => {
        const after = shared.get(before) ?? pick(before, layer);
        shared.set(before, after);
        return after;
      }),
      nextPositions: [...cache.nextPositions],
    };
  });
}
