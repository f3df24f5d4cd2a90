/** Fused building blocks with hand-written gradients: fewer, larger ops than autodiff would record. */
import * as tf from '@tensorflow/tfjs-core';
import { fused, fusedAvailable } from '../engine/fused.js';

/** The engine's own product packs its matrix as a whole: that is worth it for so many rows, and up to this size. */
const FEWEST_ROWS = 64;
const MOST_PACKED = 2 ** 22;

/**
 * `a · b`, or `a · bᵀ` where b is to be transposed. Gradients of b are known where it is a variable, those of a unless it
 * is said to be constant.
 * @param a [rows, depth]
 * @param b [depth, columns], or [columns, depth]
 */
export function product(
  a: tf.Tensor2D,
  b: tf.Tensor2D,
  { transposed = false, constant = false } = {},
): tf.Tensor2D {
  if (!fusedAvailable() || a.shape[0] < FEWEST_ROWS || b.size > MOST_PACKED) {
    return tf.matMul(a, b, false, transposed);
  }
  const flags = { transposed: transposed ? 1 : 0, learned: learnedFlag(b), through: constant ? 0 : 1 };
  return fused('KvdProduct', { a, b }, flags)[0] as tf.Tensor2D;
}

/**
 * Rows of `x` [all, width] by number.
 * @param rows int32 [some]
 */
export function pickRows(x: tf.Tensor2D, rows: tf.Tensor1D): tf.Tensor2D {
  return fusedAvailable() ? (fused('KvdTakeRows', { x, rows }, {})[0] as tf.Tensor2D) : tf.gather(x, rows);
}

/** 1 where a gradient of a weight can be asked for: what is trained is a variable. */
export function learnedFlag(weight: tf.Tensor): 0 | 1 {
  return weight instanceof tf.Variable ? 1 : 0;
}

/**
 * RMSNorm, `x / sqrt(mean(x²) + eps) * weight` over the last axis (Zhang & Sennrich 2019; as in Llama).
 * @param x [rows, width]
 * @param weight [width]
 */
export function rmsNorm(x: tf.Tensor2D, weight: tf.Tensor1D, eps: number): tf.Tensor2D {
  if (fusedAvailable()) return fused('KvdNorm', { x, gain: weight }, { epsilon: eps })[0] as tf.Tensor2D;
  const norm = tf.customGrad((input, gain, save) => {
    const meanSquare = tf.mean(tf.square(input as tf.Tensor), -1, true);
    const inverse = tf.rsqrt(tf.add(meanSquare, eps));
    const unit = tf.mul(input as tf.Tensor, inverse);
    (save as tf.GradSaveFunc)([unit, inverse, gain as tf.Tensor]);
    return {
      value: tf.mul(unit, gain as tf.Tensor),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [savedUnit, savedInverse, savedGain] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
        const scaled = tf.mul(dy, savedGain);
        const projection = tf.mean(tf.mul(scaled, savedUnit), -1, true);
        const dInput = tf.mul(tf.sub(scaled, tf.mul(savedUnit, projection)), savedInverse);
        return [dInput, tf.sum(tf.mul(dy, savedUnit), 0)];
      },
    };
  });
  return norm(x, weight) as tf.Tensor2D;
}

/**
 * Each head's queries and keys normed where the family does so (Qwen-3), values as they are.
 * @param qkv [rows, (queries + keys + values)·headDim], side by side
 * @param gains [headDim] each
 * @param heads how many queries, keys, values a row holds
 */
export function normHeads(
  qkv: tf.Tensor2D,
  gains: { queryNorm?: tf.Tensor1D; keyNorm?: tf.Tensor1D },
  heads: readonly [number, number, number],
  eps: number,
): tf.Tensor2D {
  const { queryNorm, keyNorm } = gains;
  if (queryNorm === undefined || keyNorm === undefined) return qkv;
  const width = queryNorm.shape[0];
  const present = [queryNorm, keyNorm, undefined]
    .map((gain, i) => ({ gain, count: heads[i]! }))
    .filter((part) => part.count > 0);
  const parts = tf.split(
    qkv,
    present.map(({ count }) => count * width),
    1,
  ) as tf.Tensor2D[];
  const normed = parts.map((part, i) => {
    const { gain } = present[i]!;
    return gain === undefined
      ? part
      : tf.reshape(rmsNorm(tf.reshape(part, [-1, width]), gain, eps), part.shape);
  });
  return tf.concat(normed, 1) as tf.Tensor2D;
}

/** Cosines and signed sines for rotary embedding, broadcastable to [batch, tokens, heads, headDim]. */
export interface RotaryTable {
  cos: tf.Tensor;
  /** sin with its first half negated, so that rotate-half becomes a swap of halves. */
  signedSin: tf.Tensor;
}

function swapHalves(x: tf.Tensor): tf.Tensor {
  const [first, second] = tf.split(x, 2, -1) as [tf.Tensor, tf.Tensor];
  return tf.concat([second, first], -1);
}

/**
 * Rotary position embedding, rotate-half convention (Transformers' `apply_rotary_pos_emb`).
 * @param x [batch, tokens, heads, headDim]
 */
export function applyRotary(x: tf.Tensor4D, table: RotaryTable): tf.Tensor4D {
  const { cos, signedSin } = table;
  const rotate = tf.customGrad((input, save) => {
    (save as tf.GradSaveFunc)([cos, signedSin]);
    return {
      value: tf.add(tf.mul(input as tf.Tensor, cos), tf.mul(swapHalves(input as tf.Tensor), signedSin)),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [c, s] = saved as [tf.Tensor, tf.Tensor];
        return tf.add(tf.mul(dy, c), swapHalves(tf.mul(dy, s)));
      },
    };
  });
  return rotate(x) as tf.Tensor4D;
}

function swiglu(gateUp: tf.Tensor2D): tf.Tensor2D {
  if (fusedAvailable()) return fused('KvdGate', { gateUp }, { gelu: 0 })[0] as tf.Tensor2D;
  const gated = tf.customGrad((input, save) => {
    const [gate, up] = tf.split(input as tf.Tensor, 2, -1) as [tf.Tensor, tf.Tensor];
    const sigmoid = tf.sigmoid(gate);
    const activated = tf.mul(gate, sigmoid);
    (save as tf.GradSaveFunc)([up, sigmoid, activated]);
    return {
      value: tf.mul(activated, up),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [u, s, a] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
        const slope = tf.add(s, tf.mul(a, tf.sub(1, s)));
        return tf.concat([tf.mul(tf.mul(dy, u), slope), tf.mul(dy, a)], -1);
      },
    };
  });
  return gated(gateUp) as tf.Tensor2D;
}

function geluTanhGate(gateUp: tf.Tensor2D): tf.Tensor2D {
  if (fusedAvailable()) return fused('KvdGate', { gateUp }, { gelu: 1 })[0] as tf.Tensor2D;
  const [gate, up] = tf.split(gateUp, 2, -1) as [tf.Tensor2D, tf.Tensor2D];
  const cubic = tf.add(gate, tf.mul(0.044715, tf.mul(gate, tf.square(gate))));
  const cdf = tf.mul(0.5, tf.add(1, tf.tanh(tf.mul(Math.sqrt(2 / Math.PI), cubic))));
  return tf.mul(tf.mul(gate, cdf), up);
}

/** Gated activations by their Hugging Face name: [rows, 2·width] (gate, then up) to [rows, width]. */
export const gatedActivations = { silu: swiglu, gelu_pytorch_tanh: geluTanhGate } as const;
export type ActivationName = keyof typeof gatedActivations;

/** How the engine's own ops are told an activation. */
export const geluFlag: Record<ActivationName, 0 | 1> = { silu: 0, gelu_pytorch_tanh: 1 };

/** `cap · tanh(x / cap)`, Gemma-2's soft cap; the identity where `cap` is undefined. */
export function softcap<T extends tf.Tensor>(x: T, cap: number | undefined): T {
  return cap === undefined ? x : (tf.mul(cap, tf.tanh(tf.div(x, cap))) as T);
}
