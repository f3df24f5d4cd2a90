/** LoRA weights of adapters: fresh ones, and PEFT's files. */
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { writeFileAtomic } from '../base/files.js';
import type { Random } from '../engine/random.js';
import type { ModelConfig } from '../models/config.js';
import { loraTargets, type LoraAdapter, type LoraPair, type LoraTarget } from '../models/lora.js';
import { readChecked } from './adapter-files.js';
import { normalMatrix, readMatrix, withSafetensors, writeMatrices } from './matrices.js';

const CONFIG = 'adapter_config.json';
export const LORA_WEIGHTS = 'adapter_model.safetensors';

function moduleName(target: LoraTarget): string {
  return `${target}_proj`;
}

const peftSchema = z.looseObject({
  peft_type: z.literal('LORA'),
  r: z.int().min(1),
  lora_alpha: z.number().positive(),
  target_modules: z.array(z.string()).default(loraTargets.map(moduleName)),
  use_rslora: z.literal(true, { error: 'only rank-stabilised LoRA (use_rslora: true) is supported' }),
});

/** The options that every method with LoRA has. */
export const loraOptions = {
  lora_r: z.int().min(1).max(4096).default(128).describe('rank of the rsLoRA adapters'),
  lora_alpha: z.number().positive().default(128).describe('rsLoRA alpha; scale = alpha / sqrt(r)'),
};

/** PEFT's name of one adapted matrix. */
export function peftName(layer: number, target: LoraTarget, half: 'A' | 'B'): string {
  return `base_model.model.model.layers.${layer}.self_attn.${target}_proj.lora_${half}.weight`;
}

/** Inputs and outputs of the four adapted projections, [in, out]. */
function loraShapes(config: ModelConfig): Record<LoraTarget, [number, number]> {
  const { hiddenSize, numHeads, numKvHeads, headDim } = config;
  return {
    q: [hiddenSize, numHeads * headDim],
    k: [hiddenSize, numKvHeads * headDim],
    v: [hiddenSize, numKvHeads * headDim],
    o: [numHeads * headDim, hiddenSize],
  };
}

function everyPair(
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
function noPair(inputs: number, rank: number, outputs: number): LoraPair {
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
  return { rank, alpha, layers };
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

/** The rsLoRA weights of a PEFT folder for a model of this configuration. */
export function loadLora(folder: string, config: ModelConfig): LoraAdapter {
  const peft = readChecked(peftSchema, join(folder, CONFIG));
  const path = join(folder, LORA_WEIGHTS);
  return withSafetensors(path, (source) => {
    const layers = everyPair(config, (layer, target, inputs, outputs) =>
      peft.target_modules.includes(moduleName(target))
        ? {
            a: readMatrix(source, peftName(layer, target, 'A'), [inputs, peft.r], path),
            b: readMatrix(source, peftName(layer, target, 'B'), [peft.r, outputs], path),
          }
        : noPair(inputs, peft.r, outputs),
    );
    return { rank: peft.r, alpha: peft.lora_alpha, layers };
  });
}

/** Writes `adapter_config.json` and `adapter_model.safetensors` as PEFT does. */
export function saveLora(
  folder: string,
  lora: LoraAdapter,
  baseModel: string,
  targets: readonly LoraTarget[] = loraTargets,
): void {
  const weights: Record<string, tf.Tensor2D> = {};
  lora.layers.forEach((layer, index) => {
    for (const target of targets) {
      weights[peftName(index, target, 'A')] = layer[target].a;
      weights[peftName(index, target, 'B')] = layer[target].b;
    }
  });
  writeMatrices(join(folder, LORA_WEIGHTS), weights);
  const peft = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    r: lora.rank,
    lora_alpha: lora.alpha,
    use_rslora: true,
    lora_dropout: 0,
    bias: 'none',
    target_modules: targets.map(moduleName),
    base_model_name_or_path: baseModel,
    inference_mode: true,
  };
  writeFileAtomic(join(folder, CONFIG), `${JSON.stringify(peft, null, 2)}\n`);
}
