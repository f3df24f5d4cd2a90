/** Adapters on disk: PEFT's layout for the LoRA, the scorer beside it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import { readJson, writeFileAtomic } from '../base/files.js';
import { hashFile, sha256 } from '../base/hash.js';
import type { ModelConfig } from '../models/config.js';
import { loraTargets, type LoraPair, type LoraTarget } from '../models/lora.js';
import {
  openSafetensors,
  writeSafetensors,
  type TensorSource,
  type TensorToWrite,
} from '../models/safetensors.js';
import { loraShapes, type KvdAdapter } from './kvd-adapter.js';

const CONFIG = 'adapter_config.json';
const WEIGHTS = 'adapter_model.safetensors';
const SCORER = 'scorer.safetensors';
const SETTINGS = 'kvd_config.json';

const peftSchema = z.looseObject({
  peft_type: z.literal('LORA'),
  r: z.int().min(1),
  lora_alpha: z.number().positive(),
  use_rslora: z.literal(true, { error: 'only rank-stabilised LoRA (use_rslora: true) is supported' }),
});

const settingsSchema = z.strictObject({
  format: z.literal('kvd-adapter/1'),
  eta: z.int().min(1),
  n_sink: z.int().min(0),
  decay: z.boolean(),
  routing: z.boolean(),
  scorer_bias: z.number(),
  score_spread: z.number().positive().nullable(),
});

/** PEFT's name of one adapted matrix. */
export function peftName(layer: number, target: LoraTarget, half: 'A' | 'B'): string {
  return `base_model.model.model.layers.${layer}.self_attn.${target}_proj.lora_${half}.weight`;
}

function parse<T>(schema: z.ZodType<T>, path: string): T {
  const parsed = schema.safeParse(readJson(path));
  if (parsed.success) return parsed.data;
  throw new UserError('bad-adapter', z.prettifyError(parsed.error), { where: path });
}

/** A matrix stored [out, in], checked and turned to [in, out]. */
function readTransposed(
  source: TensorSource,
  name: string,
  shape: [number, number],
  where: string,
): tf.Tensor2D {
  const stored = source.readFloat(name);
  if (stored.shape[0] !== shape[1] || stored.shape[1] !== shape[0]) {
    throw new UserError(
      'wrong-shape',
      `tensor ${name} is [${stored.shape}], the model wants [${shape[1]}, ${shape[0]}]`,
      {
        where,
        hint: 'The adapter was made for another model.',
      },
    );
  }
  return tf.tidy(() => tf.transpose(tf.tensor2d(stored.data, [shape[1], shape[0]])));
}

/** The rsLoRA weights of a PEFT folder for a model of this configuration. */
export function loadLora(folder: string, config: ModelConfig): KvdAdapter['lora'] {
  const peft = parse(peftSchema, join(folder, CONFIG));
  const path = join(folder, WEIGHTS);
  const source = openSafetensors(path);
  try {
    const shapes = loraShapes(config);
    const pair = (layer: number, target: LoraTarget): LoraPair => {
      const [inputs, outputs] = shapes[target];
      return {
        a: readTransposed(source, peftName(layer, target, 'A'), [inputs, peft.r], path),
        b: readTransposed(source, peftName(layer, target, 'B'), [peft.r, outputs], path),
      };
    };
    const layers = Array.from({ length: config.numLayers }, (_, layer) => ({
      q: pair(layer, 'q'),
      k: pair(layer, 'k'),
      v: pair(layer, 'v'),
      o: pair(layer, 'o'),
    }));
    return { rank: peft.r, alpha: peft.lora_alpha, layers };
  } finally {
    source.close();
  }
}

/** A whole KV-Distill adapter, made for a model of this configuration. */
export function loadAdapter(folder: string, config: ModelConfig): KvdAdapter {
  if (!existsSync(join(folder, SETTINGS))) {
    throw new UserError('no-adapter', `holds no ${SETTINGS}`, {
      where: folder,
      hint: 'Name the folder that `kvd train` wrote.',
    });
  }
  const {
    format: _format,
    scorer_bias,
    score_spread,
    ...settings
  } = parse(settingsSchema, join(folder, SETTINGS));
  if (settings.eta > config.numLayers) {
    throw new UserError('bad-adapter', `eta ${settings.eta} exceeds the model's ${config.numLayers} layers`, {
      where: folder,
    });
  }
  const lora = loadLora(folder, config);
  const path = join(folder, SCORER);
  const source = openSafetensors(path);
  try {
    const width = config.hiddenSize;
    return {
      lora,
      settings,
      scorer: {
        hidden: readTransposed(source, 'scorer.hidden.weight', [width, width], path),
        output: readTransposed(source, 'scorer.output.weight', [width, 1], path),
        bias: scorer_bias,
        spread: score_spread,
      },
    };
  } finally {
    source.close();
  }
}

/** Writes `adapter_config.json` and `adapter_model.safetensors` as PEFT does, and the scorer. */
export function saveAdapter(folder: string, adapter: KvdAdapter, baseModel: string): void {
  const transposed = (matrix: tf.Tensor2D): TensorToWrite =>
    tf.tidy(() => {
      const turned = tf.transpose(matrix);
      return { dtype: 'F32', shape: turned.shape, data: turned.dataSync() as Float32Array } as TensorToWrite &
        tf.TensorContainerObject;
    });
  const weights = new Map<string, TensorToWrite>();
  adapter.lora.layers.forEach((layer, index) => {
    for (const target of loraTargets) {
      weights.set(peftName(index, target, 'A'), transposed(layer[target].a));
      weights.set(peftName(index, target, 'B'), transposed(layer[target].b));
    }
  });
  writeSafetensors(join(folder, WEIGHTS), weights, {});
  writeSafetensors(
    join(folder, SCORER),
    new Map([
      ['scorer.hidden.weight', transposed(adapter.scorer.hidden)],
      ['scorer.output.weight', transposed(adapter.scorer.output)],
    ]),
    {},
  );
  const peft = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    r: adapter.lora.rank,
    lora_alpha: adapter.lora.alpha,
    use_rslora: true,
    lora_dropout: 0,
    bias: 'none',
    target_modules: ['q_proj', 'k_proj', 'v_proj', 'o_proj'],
    base_model_name_or_path: baseModel,
    inference_mode: true,
  };
  const settings = {
    format: 'kvd-adapter/1',
    ...adapter.settings,
    scorer_bias: adapter.scorer.bias,
    score_spread: adapter.scorer.spread,
  };
  writeFileAtomic(join(folder, CONFIG), `${JSON.stringify(peft, null, 2)}\n`);
  writeFileAtomic(join(folder, SETTINGS), `${JSON.stringify(settings, null, 2)}\n`);
}

/** Identity of an adapter: a hash over its weights and settings. */
export async function adapterHash(folder: string): Promise<string> {
  const parts = await Promise.all([WEIGHTS, SCORER, SETTINGS].map((name) => hashFile(join(folder, name))));
  return sha256(parts.join());
}
