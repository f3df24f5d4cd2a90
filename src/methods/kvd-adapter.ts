/** What KV-Distill trains: a scorer of rows and rsLoRA on the attention projections. */
import type * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import { Random } from '../engine/random.js';
import type { LoraAdapter } from '../models/lora.js';
import type { ModelConfig } from '../models/config.js';
import { readSettings, writeSettings } from './adapter-files.js';
import { freshLora, loadLora, loraTensors, saveLora } from './lora-adapter.js';
import { freshScorer, loadScorer, saveScorer, scorerSettings, scorerTensors, type Scorer } from './scorer.js';
import type { Adapter } from './trainable.js';

export const FORMAT = 'kvd-adapter/1';

/** What an adapter must be used with, as trained. */
export interface KvdSettings {
  /** Layers of the frozen model below the scorer. */
  eta: number;
  n_sink: number;
  /** Whether keys of kept rows are scaled by σ(score). */
  decay: boolean;
  /** Whether Q and O adapters apply to selected tokens only. */
  routing: boolean;
}

export interface KvdAdapter extends Adapter {
  format: typeof FORMAT;
  lora: LoraAdapter;
  scorer: Scorer;
  settings: KvdSettings;
}

const settingsSchema = z.strictObject({
  format: z.literal(FORMAT),
  eta: z.int().min(1),
  n_sink: z.int().min(0),
  decay: z.boolean(),
  routing: z.boolean(),
  ...scorerSettings,
});

/** The matrices by name. */
export function kvdTensors({ scorer, lora }: KvdAdapter): Record<string, tf.Tensor2D> {
  return { ...scorerTensors(scorer), ...loraTensors(lora) };
}

/** A fresh adapter of variables. */
export function freshAdapter(
  config: ModelConfig,
  settings: KvdSettings,
  options: { lora_r: number; lora_alpha: number; scorer_bias: number; score_spread: number | null },
  seed: number,
): KvdAdapter {
  const random = new Random(`adapter/${seed}`);
  const lora = freshLora(config, options, random);
  return { format: FORMAT, lora, scorer: freshScorer(config, options, random), settings };
}

/** A whole KV-Distill adapter, made for a model of this configuration. */
export function loadAdapter(folder: string, config: ModelConfig): KvdAdapter {
  const stored = readSettings(folder, settingsSchema);
  const { format, scorer_bias, score_spread, ...settings } = stored;
  if (settings.eta > config.numLayers) {
    throw new UserError('bad-adapter', `eta ${settings.eta} exceeds the model's ${config.numLayers} layers`, {
      where: folder,
    });
  }
  const lora = loadLora(folder, config);
  return { format, lora, scorer: loadScorer(folder, config, { scorer_bias, score_spread }), settings };
}

/** Writes the LoRA as PEFT does, the scorer and the settings. */
export function saveAdapter(folder: string, adapter: KvdAdapter, baseModel: string): void {
  saveLora(folder, adapter.lora, baseModel);
  saveScorer(folder, adapter.scorer);
  writeSettings(folder, {
    format: adapter.format,
    ...adapter.settings,
    scorer_bias: adapter.scorer.bias,
    score_spread: adapter.scorer.spread,
  });
}
