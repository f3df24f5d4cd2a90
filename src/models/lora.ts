/** Rank-stabilised LoRA on the attention projections (rsLoRA, arXiv 2312.03732; PEFT `use_rslora`). */
import * as tf from '@tensorflow/tfjs-core';

export const loraTargets = ['q', 'k', 'v', 'o'] as const;
export type LoraTarget = (typeof loraTargets)[number];

/** One adapted matrix: delta(x) = scale · (x A) B, A [in, r], B [r, out] (PEFT stores both transposed). */
export interface LoraPair {
  a: tf.Tensor2D;
  b: tf.Tensor2D;
}

export interface LoraAdapter {
  rank: number;
  alpha: number;
  /** Per layer the four adapted projections. */
  layers: Record<LoraTarget, LoraPair>[];
}

/** A LoRA in force during a forward pass. */
export interface ActiveLora {
  adapter: LoraAdapter;
  /**
   * [batch·tokens, 1]: 1 where the Q and O adapters apply, 0 where the frozen matrices are used
   * (conditional routing, section 3.2); undefined = everywhere.
   */
  routing?: tf.Tensor2D;
}

/** rsLoRA's scale, alpha / sqrt(rank). */
export function loraScale(adapter: { rank: number; alpha: number }): number {
  return adapter.alpha / Math.sqrt(adapter.rank);
}

/** Delta of the fused q, k, v projection, [rows, (heads + 2·kvHeads)·headDim]. */
export function qkvDelta(x: tf.Tensor2D, lora: ActiveLora, layer: number): tf.Tensor2D {
  const { q, k, v } = lora.adapter.layers[layer]!;
  const low = tf.mul<tf.Tensor2D>(tf.matMul(x, tf.concat([q.a, k.a, v.a], 1)), loraScale(lora.adapter));
  const [lowQ, lowK, lowV] = tf.split(low, 3, 1) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
  const routedQ = lora.routing === undefined ? lowQ : tf.mul<tf.Tensor2D>(lowQ, lora.routing);
  const deltas = [tf.matMul(routedQ, q.b), tf.matMul(lowK, k.b), tf.matMul(lowV, v.b)];
  return tf.concat(deltas, 1) as tf.Tensor2D;
}

/** Delta of the key and value projections alone, [rows, 2·kvHeads·headDim]: of a last layer no more is needed. */
export function kvDelta(x: tf.Tensor2D, lora: ActiveLora, layer: number): tf.Tensor2D {
  const { k, v } = lora.adapter.layers[layer]!;
  const low = tf.mul(tf.matMul(x, tf.concat([k.a, v.a], 1)), loraScale(lora.adapter));
  const [lowK, lowV] = tf.split(low, 2, 1) as [tf.Tensor2D, tf.Tensor2D];
  return tf.concat([tf.matMul(lowK, k.b), tf.matMul(lowV, v.b)], 1) as tf.Tensor2D;
}

/** Delta of the output projection, [rows, hidden]. */
export function outputDelta(x: tf.Tensor2D, lora: ActiveLora, layer: number): tf.Tensor2D {
  const { o } = lora.adapter.layers[layer]!;
  const low = tf.mul(tf.matMul(x, o.a), loraScale(lora.adapter));
  return tf.matMul((lora.routing === undefined ? low : tf.mul(low, lora.routing)) as tf.Tensor2D, o.b);
}
