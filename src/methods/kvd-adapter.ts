/** What KV-Distill trains: a scorer of rows and rsLoRA on the attention projections. */
import { join } from 'node:path';
import type * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import type { Named } from '../base/named.js';
import { UserError } from '../base/errors.js';
import { Random } from '../engine/random.js';
import type { LoraAdapter } from '../models/lora.js';
import type { ModelConfig } from '../models/config.js';
import { readSettings, wholeOrNone, writeSettings } from './adapter-files.js';
import { scoresOption } from './borrowed-scores.js';
import { freshLora, loraTensors } from './lora-adapter.js';
import { loadLora, saveLora } from './peft.js';
import { normalMatrix, readMatrix, withSafetensors } from './matrices.js';
import {
  freshScorer,
  loadScorer,
  saveScorer,
  SCORER_WEIGHTS,
  scorerSettings,
  scorerTensors,
  type Scorer,
} from './scorer.js';
import type { Adapter } from './trainable.js';

export const FORMAT = 'kvd-adapter/1';

/** What an adapter must be used with, as trained. */
export interface KvdSettings {
  /** Layers of the frozen model below the scorer. */
  eta: number;
  n_sink: number;
  /** Whether keys of kept rows are scaled by σ(score). */
  decay: boolean;
  /**
   * How the encoder is told which tokens are selected: Q and O adapters apply to them alone (true), to all tokens
   * (false), or to all and a learned vector is added to the embeddings of the selected (`embedding`).
   */
  routing: boolean | 'embedding';
  /** The method by whose scores rows are selected, instead of the scorer's; then nothing decays. */
  scores?: Named | undefined;
}

export interface KvdAdapter extends Adapter {
  format: typeof FORMAT;
  lora: LoraAdapter;
  scorer: Scorer;
  /** Added to the embeddings of selected tokens, [1, hidden]; present where routing is `embedding`. */
  marker?: tf.Tensor2D;
  settings: KvdSettings;
}

const settingsSchema = z.strictObject({
  format: z.literal(FORMAT),
  eta: z.int().min(1),
  n_sink: z.int().min(0),
  decay: z.boolean(),
  routing: z.union([z.boolean(), z.literal('embedding')]),
  selection: z.enum(['shared', 'per_head']).default('shared'),
  scores: scoresOption,
  ...scorerSettings,
});

const MARKER = 'selected.embedding.weight';

/** Options of a fresh adapter. */
export interface FreshOptions {
  lora_r: number;
  lora_alpha: number;
  scorer_bias: number;
  score_spread: number | null;
  /** Whether every layer and KV head selects rows of its own. */
  perHead?: boolean;
}

/** The matrices by name. */
export function kvdTensors({ scorer, lora, marker }: KvdAdapter): Record<string, tf.Tensor2D> {
  return { ...scorerTensors(scorer), ...(marker && { marker }), ...loraTensors(lora) };
}

/** Everything of an adapter but its tensors, as its settings file has it. */
export function kvdSettings({ format, settings, scorer }: KvdAdapter): Record<string, unknown> {
  return {
    format,
    ...settings,
    ...(scorer.output.shape[1] > 1 && { selection: 'per_head' }),
    scorer_bias: scorer.bias,
    score_spread: scorer.spread,
  };
}

/** A fresh adapter of variables. */
export function freshAdapter(
  config: ModelConfig,
  settings: KvdSettings,
  options: FreshOptions,
  seed: number,
): KvdAdapter {
  const random = new Random(`adapter/${seed}`);
  const lora = freshLora(config, options, random);
  const scorer = freshScorer(config, options, options.perHead ?? false, random);
  const marked = settings.routing === 'embedding';
  return {
    format: FORMAT,
    lora,
    scorer,
    ...(marked && { marker: normalMatrix(random, 1, config.hiddenSize, 0) }),
    settings,
  };
}

/** A whole KV-Distill adapter, made for a model of this configuration. */
export function loadAdapter(folder: string, config: ModelConfig): KvdAdapter {
  const stored = readSettings(folder, settingsSchema);
  const { format, scorer_bias, score_spread, selection, ...settings } = stored;
  if (settings.eta > config.numLayers) {
    throw new UserError('bad-adapter', `eta ${settings.eta} exceeds the model's ${config.numLayers} layers`, {
      where: folder,
    });
  }
  const path = join(folder, SCORER_WEIGHTS);
  const shape: [number, number] = [1, config.hiddenSize];
  return wholeOrNone(() => ({
    format,
    lora: loadLora(folder, config),
    scorer: loadScorer(folder, config, { scorer_bias, score_spread }, selection === 'per_head'),
    ...(settings.routing === 'embedding' && {
      marker: withSafetensors(path, (source) => readMatrix(source, MARKER, shape, path)),
    }),
    settings,
  }));
}

/** Writes the LoRA as PEFT does, the scorer and the settings. */
export function saveAdapter(folder: string, adapter: KvdAdapter, baseModel: string): void {
  saveLora(folder, adapter.lora, baseModel);
  saveScorer(folder, adapter.scorer, adapter.marker && { [MARKER]: adapter.marker });
  writeSettings(folder, kvdSettings(adapter));
}
