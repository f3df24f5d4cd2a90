/** Heads and their attention: one op where the engine has it, several where it has not. */
import * as tf from '@tensorflow/tfjs-core';
import { fused, fusedAvailable } from '../engine/fused.js';
import { applyRotary, type RotaryTable } from './ops.js';

/** Queries [batch, heads, tokens, headDim] (of no use without heads), keys and values [batch, kvHeads, tokens, headDim]. */
export interface Heads {
  query: tf.Tensor4D;
  key: tf.Tensor4D;
  value: tf.Tensor4D;
}

/**
 * Splits a projection into heads and applies rotary embedding to queries and keys.
 * @param packed [batch·tokens, (heads + 2·kvHeads)·headDim]: queries, keys, values side by side
 */
export function splitHeads(
  packed: tf.Tensor2D,
  batch: number,
  { heads, kvHeads }: { heads: number; kvHeads: number },
  table: RotaryTable,
): Heads {
  if (fusedAvailable()) {
    const [query, key, value] = fused('KvdRotary', { packed, ...table }, { batch, heads, kv_heads: kvHeads });
    return { query, key, value } as unknown as Heads;
  }
  const tokens = packed.shape[0] / batch;
  const all = tf.reshape(packed, [batch, tokens, heads + 2 * kvHeads, -1]);
  const [queryKey, values] = tf.split(all, [heads + kvHeads, kvHeads], 2) as [tf.Tensor4D, tf.Tensor4D];
  const rotated = tf.transpose(applyRotary(queryKey, table), [0, 2, 1, 3]);
  const [query, key] = (heads === 0 ? [rotated, rotated] : tf.split(rotated, [heads, kvHeads], 1)) as [
    tf.Tensor4D,
    tf.Tensor4D,
  ];
  return { query, key, value: tf.transpose(values, [0, 2, 1, 3]) };
}

export interface AttentionOptions {
  /** Factor on the products of queries and keys. */
  scale: number;
  softcap?: number | undefined;
  /** Sliding window in tokens, the query itself included. */
  window?: number | undefined;
}

/**
 * Attention without its weights ever whole, where the engine can (`fusedAvailable`); a query that sees no key gets 0.
 * @param keys [batch, kvHeads, rows, headDim], `values` likewise
 * @param queryPositions [batch or 1, tokens]
 * @param keyPositions [batch or 1, kvHeads or 1, rows]
 * @returns heads side by side, [batch·tokens, heads·headDim]
 */
export function fusedAttention(
  queries: tf.Tensor4D,
  keys: tf.Tensor4D,
  values: tf.Tensor4D,
  queryPositions: tf.Tensor2D,
  keyPositions: tf.Tensor3D,
  { scale, softcap = 0, window = 0 }: AttentionOptions,
): tf.Tensor2D {
  const inputs = { queries, keys, values, queryPositions, keyPositions };
  return fused('KvdAttention', inputs, { scale, softcap, window })[0] as tf.Tensor2D;
}
