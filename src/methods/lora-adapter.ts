/** Fresh LoRA weights of adapters, and their names. (PEFT's files: peft.ts.) */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import type { Random } from '../engine/random.js';
import { architectures } from '../models/architectures/index.js';
import type { ModelConfig } from '../models/config.js';
import { loraTargets, type LoraAdapter, type LoraPair, type LoraTarget } from '../models/lora.js';
import { normalMatrix } from './matrices.js';

/** The options that every method with LoRA has. */
export const loraOptions = {
  lora_r: z.int().min(1).max(4096).default(128).describe('rank of the rsLoRA adapters'),
  lora_alpha: z.number().positive().default(128).describe('rsLoRA alpha; scale = alpha / sqrt(r)'),
};

/** Whether the model keeps queries, keys and values in one matrix. */
export function hasFusedQkv(config: ModelConfig): boolean {
  return architectures.get(config.architecture).plan(config).names.qkv.length === 1;
}

/** Inputs and outputs of the four adapted projections, [in, out]. */
export function loraShapes(config: ModelConfig): Record<LoraTarget, [number, number]> {
  const { hiddenSize, numHeads, numKvHeads, headDim } = config;
  return {
    q: [hiddenSize, numHeads * headDim],
    k: [hiddenSize, numKvHeads * headDim],
    v: [hiddenSize, numKvHeads * headDim],
    o: [numHeads * headDim, hiddenSize],
  };
}

/** A pair for every layer and projection. */
export function everyPair(
  config: ModelConfig,
  make: (layer: number, target: LoraTarget, inputs: number, outputs: number) => LoraPair,
): LoraAdapter['layers'] {
  const shapes = loraShapes(config);
  const pair = (layer: number, target: LoraTarget): LoraPair => make(layer, target, ...shapes[target]);
  return Array.from({ length: config.numLayers }, (_, layer) => ({
    q: pair(layer, 'q'),
    k: pair(layer, 'k'),
    v: pair(layer, 'v'),
    o: pair(layer, 'o'),
  }));
}

/** What stands where a projection is not adapted: a delta of zero that is neither trained nor stored. */
export function noPair(inputs: number, rank: number, outputs: number): LoraPair {
  return { a: tf.zeros([inputs, rank]), b: tf.zeros([rank, outputs]) };
}

/** Variables of which B is zero, so that encoding starts as the frozen model's; `targets` alone are adapted. */
export function freshLora(
  config: ModelConfig,
  options: { lora_r: number; lora_alpha: number },
  random: Random,
  targets: readonly LoraTarget[] = loraTargets,
): LoraAdapter {
  const { lora_r: rank, lora_alpha: alpha } = options;
  const layers = everyPair(config, (_layer, target, inputs, outputs) =>
    targets.includes(target)
      ? {
          a: normalMatrix(random, inputs, rank, inputs ** -0.5),
          b: normalMatrix(random, rank, outputs, 0),
        }
      : noPair(inputs, rank, outputs),
  );
  return { rank, alpha, layers, ...(hasFusedQkv(config) && { fused: true }) };
}

/** The matrices by name. */
export function loraTensors(lora: LoraAdapter): Record<string, tf.Tensor2D> {
  const named: Record<string, tf.Tensor2D> = {};
  lora.layers.forEach((layer, index) => {
    for (const target of loraTargets) {
      named[`layers.${index}.${target}.a`] = layer[target].a;
      named[`layers.${index}.${target}.b`] = layer[target].b;
    }
  });
  return named;
}

/** Without the last layer's queries and outputs: they never reach the cache, so nothing can be learned of them. */
export function withoutLastOutputs<T>(named: Record<string, T>, layers: number): Record<string, T> {
  const unused = new RegExp(`^layers\\.${layers - 1}\\.[qo]\\.`);
  return Object.fromEntries(Object.entries(named).filter(([name]) => !unused.test(name)));
}
