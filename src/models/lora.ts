/** Rank-stabilised LoRA on the attention projections (rsLoRA, arXiv 2312.03732; PEFT `use_rslora`). */
import * as tf from '@tensorflow/tfjs-core';
import { fused, fusedAvailable } from '../engine/fused.js';

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
  /** Set where the model keeps queries, keys and values in one matrix: PEFT's files adapt it as one. */
  fused?: true;
}

/** A LoRA in force during a forward pass. */
export interface ActiveLora {
  adapter: LoraAdapter;
  /**
   * Per projection [batch·tokens, 1]: 1 where its adapter applies, 0 where the frozen matrix is used alone
   * (conditional routing, section 3.2); a projection that is absent is adapted everywhere.
   */
  routing?: Partial<Record<LoraTarget, tf.Tensor2D>>;
}

/** rsLoRA's scale, alpha / sqrt(rank). */
export function loraScale(adapter: { rank: number; alpha: number }): number {
  return adapter.alpha / Math.sqrt(adapter.rank);
}

/** Low-rank image of `x` under adapters that share their input, routed and scaled, one part a target. */
function lowRank(
  x: tf.Tensor2D,
  lora: ActiveLora,
  layer: number,
  targets: readonly LoraTarget[],
): tf.Tensor2D[] {
  const pairs = lora.adapter.layers[layer]!;
  const matrix =
    targets.length === 1
      ? pairs[targets[0]!].a
      : tf.concat(
          targets.map((target) => pairs[target].a),
          1,
        );
  const low = tf.mul<tf.Tensor2D>(tf.matMul(x, matrix), loraScale(lora.adapter));
  const parts = targets.length === 1 ? [low] : (tf.split(low, targets.length, 1) as tf.Tensor2D[]);
  return parts.map((part, i) => {
    const route = lora.routing?.[targets[i]!];
    return route === undefined ? part : tf.mul<tf.Tensor2D>(part, route);
  });
}

/** What an op of the engine is given of the adapters of projections that share their input. */
export function loraInputs(
  lora: ActiveLora,
  layer: number,
  targets: readonly LoraTarget[],
): Record<string, tf.Tensor> {
  const pairs = lora.adapter.layers[layer]!;
  return Object.fromEntries(
    targets.flatMap((target, i): [string, tf.Tensor][] => [
      [`route${i}`, lora.routing?.[target] ?? tf.ones([1, 1])],
      [`a${i}`, pairs[target].a],
      [`b${i}`, pairs[target].b],
    ]),
  );
}

/** The op that adapts this many projections at once. */
const fusedOfCount = { 1: 'KvdLora1', 2: 'KvdLora2', 3: 'KvdLora3' } as const;

/** Projections that share their input, side by side, adapted: `base` [rows, sum of their outputs] and their deltas. */
export function addLora(
  base: tf.Tensor2D,
  x: tf.Tensor2D,
  lora: ActiveLora,
  layer: number,
  targets: readonly LoraTarget[],
): tf.Tensor2D {
  if (fusedAvailable()) {
    const inputs = { x, base, ...loraInputs(lora, layer, targets) };
    const op = fusedOfCount[targets.length as keyof typeof fusedOfCount];
    return fused(op, inputs, { scale: loraScale(lora.adapter) })[0] as tf.Tensor2D;
  }
  const pairs = lora.adapter.layers[layer]!;
  const deltas = lowRank(x, lora, layer, targets).map((low, i) =>
    tf.matMul<tf.Tensor2D>(low, pairs[targets[i]!].b),
  );
  return tf.add(base, deltas.length === 1 ? deltas[0]! : tf.concat(deltas, 1));
}
