/** Token sequences of unequal length as one right-padded batch, and the positions that mask it. */
import * as tf from '@tensorflow/tfjs-core';

/** Key position of a row that holds nothing: later than every query, so that no query sees it. */
export const PAD_POSITION = 1e9;

/** `batch` sequences padded on the right to `tokens`; row b starts at position `starts[b]`. */
export interface TokenBatch {
  ids: Int32Array;
  batch: number;
  tokens: number;
  lengths: number[];
  starts: number[];
}

/** Right-pads `sequences` (none of them empty) with `padId`. */
export function makeBatch(
  sequences: readonly ArrayLike<number>[],
  options: { starts?: readonly number[]; padId?: number; tokens?: number } = {},
): TokenBatch {
  const lengths = sequences.map((sequence) => sequence.length);
  const tokens = options.tokens ?? Math.max(...lengths);
  const ids = new Int32Array(sequences.length * tokens).fill(options.padId ?? 0);
  sequences.forEach((sequence, row) => ids.set(sequence, row * tokens));
  const starts = options.starts ? [...options.starts] : lengths.map(() => 0);
  return { ids, batch: sequences.length, tokens, lengths, starts };
}

/** 1 at tokens from `start` to before `end` of each sequence, given its length and number, else 0: [batch, tokens]. */
export function span(
  batch: TokenBatch,
  start: (length: number, row: number) => number,
  end: (length: number, row: number) => number,
): Float32Array {
  const marks = new Float32Array(batch.batch * batch.tokens);
  batch.lengths.forEach((length, row) => {
    marks.fill(1, row * batch.tokens + start(length, row), row * batch.tokens + end(length, row));
  });
  return marks;
}

/**
 * Rows of the flattened batch where chosen tokens of each sequence stand: as many of each, the first one's again where a
 * sequence has fewer.
 */
export function flatRows(chosen: readonly (readonly number[])[], tokens: number): Int32Array {
  const width = Math.max(...chosen.map((list) => list.length));
  return Int32Array.from(
    chosen.flatMap((list, row) =>
      Array.from({ length: width }, (_, i) => row * tokens + (list[i] ?? list[0]!)),
    ),
  );
}

function allEqual(values: readonly number[]): boolean {
  return values.every((value) => value === values[0]);
}

/** Position ids of every token of `batch`, [rows, tokens] with rows = 1 where all rows agree. */
export function positionIds(batch: TokenBatch): { rows: number; ids: Int32Array } {
  const rows = allEqual(batch.starts) ? 1 : batch.batch;
  const ids = new Int32Array(rows * batch.tokens);
  for (let row = 0; row < rows; row++) {
    for (let t = 0; t < batch.tokens; t++) ids[row * batch.tokens + t] = batch.starts[row]! + t;
  }
  return { rows, ids };
}

/** Positions as keys see them, [rows, 1, tokens]: padding stands at PAD_POSITION. */
export function keyPositions(batch: TokenBatch): tf.Tensor3D {
  const { tokens, lengths, starts } = batch;
  const rows = allEqual(starts) && lengths.every((length) => length === tokens) ? 1 : batch.batch;
  const positions = new Float32Array(rows * tokens).fill(PAD_POSITION);
  for (let row = 0; row < rows; row++) {
    for (let t = 0; t < lengths[row]!; t++) positions[row * tokens + t] = starts[row]! + t;
  }
  return tf.tensor3d(positions, [rows, 1, tokens]);
}

/**
 * Additive attention mask, 0 where a query may look and -1e9 where not, from positions alone: causal,
 * padded, sliding and compressed attention are all the same rule.
 * @param queries [rows, tokens]
 * @param keys [rows, heads or 1, keys]
 * @param window sliding window in tokens, the query itself included
 * @returns [rows, heads or 1, tokens, keys]
 */
export function attentionMask(
  queries: tf.Tensor2D,
  keys: tf.Tensor3D,
  window: number | undefined,
): tf.Tensor4D {
  const q = tf.reshape(queries, [queries.shape[0], 1, queries.shape[1], 1]);
  const k = tf.expandDims(keys, 2);
  let allowed = tf.lessEqual(k, q);
  if (window !== undefined) allowed = tf.logicalAnd(allowed, tf.greater(k, tf.sub(q, window)));
  return tf.mul(tf.sub(tf.cast(allowed, 'float32'), 1), 1e9) as tf.Tensor4D;
}
