/** Heads and their attention: one op where the engine has it, several where it has not. */
import * as tf from '@tensorflow/tfjs-core';
import { pieces } from '../base/iterate.js';
import { fused, fusedAvailable } from '../engine/fused.js';
import { attentionMask } from './batch.js';
import { applyRotary, softcap, type RotaryTable } from './ops.js';

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
 * @param pieces keys and values, in one piece or two that stand one behind the other
 * @param queryPositions [batch or 1, tokens]
 * @param keyPositions [batch or 1, kvHeads or 1, rows]
 * @param kept whether the one piece has other uses: they are best made of `piece`
 * @returns heads side by side, [batch·tokens, heads·headDim]
 */
export function fusedAttention(
  queries: tf.Tensor4D,
  pieces: readonly KeysAndValues[],
  queryPositions: tf.Tensor2D,
  keyPositions: tf.Tensor3D,
  { scale, softcap = 0, window = 0 }: AttentionOptions,
  kept = false,
): { rows: tf.Tensor2D; piece?: KeysAndValues } {
  const given = pieces.flatMap(({ keys, values }, i): [string, tf.Tensor][] => [
    [`keys${i}`, keys],
    [`values${i}`, values],
  ]);
  const inputs = { queries, queryPositions, keyPositions, ...Object.fromEntries(given) };
  const op = pieces.length === 2 ? 'KvdAttention2' : kept ? 'KvdAttentionKept' : 'KvdAttention1';
  const [rows, , keys, values] = fused(op, inputs, { scale, softcap, window });
  return { rows: rows as tf.Tensor2D, ...(keys && { piece: { keys, values } as KeysAndValues }) };
}

/** Keys and values, [batch, kvHeads, rows, headDim] each. (A type, so that tf.tidy takes it.) */
export type KeysAndValues = { keys: tf.Tensor4D; values: tf.Tensor4D };

/** The keys, or the values, of pieces that stand one behind the other. */
export function joinPieces(pieces: readonly KeysAndValues[], kind: keyof KeysAndValues): tf.Tensor4D {
  const rows = pieces.map((piece) => piece[kind]);
  return rows.length === 1 ? rows[0]! : tf.concat(rows, 2);
}

/** What query tokens may look at. */
export interface Sight {
  /** Positions, [rows, tokens]. */
  queries: tf.Tensor2D;
  /** Positions of past rows and of the batch's own, [rows, heads or 1, keys]. */
  keys: tf.Tensor3D;
  window: number | undefined;
  /** The mask of all query tokens, where they attend at once. */
  mask?: tf.Tensor4D;
}

/** Mask of `count` query tokens from `first` on, of `group` heads each: [rows, heads or 1, group·count, keys]. */
export function sightMask(
  { queries, keys, window }: Sight,
  group: number,
  first: number,
  count: number,
): tf.Tensor4D {
  const mask = attentionMask(tf.slice(queries, [0, first], [-1, count]), keys, window);
  return group === 1 ? mask : tf.tile(mask, [1, 1, group, 1]);
}

export interface AttentionWeightsOptions {
  /** Factor on the products of queries and keys. */
  scale: number;
  softcap: number | undefined;
  /** Added to attention logits, [batch, kvHeads or 1, 1, keys]. */
  bias: tf.Tensor4D | undefined;
  /** Query tokens that attend at once. */
  block: number;
}

/**
 * Reduces the weights [batch, kvHeads, group, queries, keys] of the query tokens from `first` on to what is wanted of
 * them.
 */
export type ObserveWeights = (weights: tf.Tensor5D, first: number) => tf.Tensor;

/** Calls `work` with the weights of a block of query tokens at a time, [batch, kvHeads, group·queries, keys]. */
function withWeights(
  queries: tf.Tensor4D,
  keys: tf.Tensor4D,
  sight: Sight,
  { scale, softcap: cap, bias, block }: AttentionWeightsOptions,
  work: (weights: tf.Tensor4D, first: number, count: number) => tf.Tensor[],
): tf.Tensor[][] {
  const [batch, heads, tokens, headDim] = queries.shape;
  const kvHeads = keys.shape[1];
  const group = heads / kvHeads;
  const attend = (first: number, count: number): tf.Tensor[] => {
    const some = count === tokens ? queries : tf.slice(queries, [0, 0, first, 0], [-1, -1, count, -1]);
    // Query heads that share a KV head are consecutive: their tokens become rows of one matrix.
    const grouped = tf.reshape(some, [batch, kvHeads, group * count, headDim]);
    const scores = softcap(tf.matMul(tf.mul(grouped, scale), keys, false, true), cap);
    const masked = tf.add(scores, sight.mask ?? sightMask(sight, group, first, count));
    const weights = tf.softmax(bias === undefined ? masked : tf.add(masked, bias));
    return work(weights as tf.Tensor4D, first, count);
  };
  return sight.mask !== undefined
    ? [attend(0, tokens)]
    : pieces(tokens, block).map(({ at, count }) => tf.tidy(() => attend(at, count)));
}

/** Weights [batch, kvHeads, group·count, keys] with the heads of a group apart. */
function apart(weights: tf.Tensor4D, count: number): tf.Tensor5D {
  const [batch, kvHeads, rows, keys] = weights.shape;
  return tf.reshape(weights, [batch, kvHeads, rows / count, count, keys]);
}

/**
 * Attention by way of its weights, of a block of query tokens at a time.
 * @param keys [batch, kvHeads, rows, headDim], `values` likewise
 * @returns heads side by side, [batch·tokens, heads·headDim], and what was observed of each block
 */
export function weightedAttention(
  queries: tf.Tensor4D,
  keys: tf.Tensor4D,
  values: tf.Tensor4D,
  sight: Sight,
  options: AttentionWeightsOptions,
  observe: ObserveWeights | undefined,
): { rows: tf.Tensor2D; observed: tf.Tensor[] } {
  const [batch, heads, tokens, headDim] = queries.shape;
  const parts = withWeights(queries, keys, sight, options, (weights, first, count) => {
    const mixed = tf.reshape(tf.matMul(weights, values), [batch, heads, count, headDim]);
    return observe === undefined ? [mixed] : [mixed, observe(apart(weights, count), first)];
  });
  const mixed = parts.map(([part]) => part!);
  const whole = mixed.length === 1 ? mixed[0]! : tf.concat(mixed, 2);
  const rows = tf.reshape(tf.transpose(whole, [0, 2, 1, 3]), [batch * tokens, heads * headDim]);
  return { rows: rows as tf.Tensor2D, observed: parts.flatMap(([, observed]) => observed ?? []) };
}

/** What is observed of each block of weights alone, where what the queries attend to is known already. */
export function observedWeights(
  queries: tf.Tensor4D,
  keys: tf.Tensor4D,
  sight: Sight,
  options: AttentionWeightsOptions,
  observe: ObserveWeights,
): tf.Tensor[] {
  return withWeights(queries, keys, sight, options, (weights, first, count) => [
    observe(apart(weights, count), first),
  ]).flat();
}
