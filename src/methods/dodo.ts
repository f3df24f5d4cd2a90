/** DODO: rows ("nuggets") picked by a scorer of a LoRA encoder's cache, trained by autoencoding. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import { Random } from '../engine/random.js';
import type { KvCache } from '../models/cache.js';
import type { LoraAdapter } from '../models/lora.js';
import { readSettings, SETTINGS, wholeOrNone, writeSettings } from './adapter-files.js';
import { freshLora, loraOptions, loraTensors, withoutLastOutputs } from './lora-adapter.js';
import { defineMethod } from './method.js';
import { loadLora, LORA_WEIGHTS, saveLora } from './peft.js';
import {
  freshScorer,
  hideRows,
  keepSelected,
  loadScorer,
  saveScorer,
  SCORER_WEIGHTS,
  scorerTensors,
  scoreTokens,
  selectTokens,
  type Scorer,
} from './scorer.js';
import { requestBatch, sinkOption } from './selection.js';
import { requireAdapter, type Adapter, type EncodeRequest, type Trainable } from './trainable.js';

const FORMAT = 'dodo-adapter/1';

const options = z.strictObject({
  eta: z.int().min(1).default(6).describe('layers of the frozen model below the scorer'),
  n_sink: sinkOption,
  ...loraOptions,
});

const settingsSchema = z.strictObject({
  format: z.literal(FORMAT),
  eta: z.int().min(1),
  n_sink: z.int().min(0),
});

interface DodoAdapter extends Adapter {
  format: typeof FORMAT;
  lora: LoraAdapter;
  scorer: Scorer;
  settings: { eta: number; n_sink: number };
}

/** Scores as they come: only their order and, in training, their gradient count. */
const RAW_SCORES = { scorer_bias: 0, score_spread: null };

/** Zero whatever `x` is, with the gradient of `x`: `x − stop_gradient(x)`. */
export function straightThrough<T extends tf.Tensor>(x: T): T {
  return tf.customGrad((input) => ({
    value: tf.zerosLike(input as tf.Tensor),
    gradFunc: (dy: tf.Tensor) => dy,
  }))(x) as T;
}

function encode(
  { model, batch, hidden }: Pick<EncodeRequest, 'model' | 'batch' | 'hidden'>,
  adapter: DodoAdapter,
): { cache: KvCache; scores: tf.Tensor3D } {
  const scores = scoreTokens(adapter.scorer, hidden!, batch, adapter.settings.n_sink);
  const { cache } = model.forward(batch, { lora: { adapter: adapter.lora }, cacheOnly: true });
  return { cache, scores };
}

function tensors({ scorer, lora }: DodoAdapter): Record<string, tf.Tensor> {
  return { ...scorerTensors(scorer), ...loraTensors(lora) };
}

const trainable: Trainable<DodoAdapter> = {
  format: FORMAT,
  files: [LORA_WEIGHTS, SCORER_WEIGHTS, SETTINGS],
  fresh: (config, given, seed) => {
    const { eta, n_sink, ...sizes } = options.parse(given);
    const random = new Random(`dodo/${seed}`);
    const lora = freshLora(config, sizes, random);
    const scorer = freshScorer(config, RAW_SCORES, false, random);
    return { format: FORMAT, lora, scorer, settings: { eta, n_sink } };
  },
  settings: ({ format, settings }) => ({ format, ...settings }),
  tensors,
  trained: (adapter) =>
    withoutLastOutputs(
      tensors(adapter) as unknown as Record<string, tf.Variable>,
      adapter.lora.layers.length,
    ),
  frozenLayers: (adapter) => adapter.settings.eta,
  encode: (request, adapter) => {
    const { batch, kept } = request;
    const { cache, scores } = encode(request, adapter);
    const selected = selectTokens(scores, batch, kept, adapter.settings.n_sink);
    return { cache: hideRows(cache, selected), bias: straightThrough(scores) };
  },
  save: (folder, adapter, baseModel) => {
    saveLora(folder, adapter.lora, baseModel);
    saveScorer(folder, adapter.scorer);
    writeSettings(folder, { format: adapter.format, ...adapter.settings });
  },
  load: (folder, config) => {
    const { format, ...settings } = readSettings(folder, settingsSchema);
    if (settings.eta > config.numLayers) {
      throw new UserError(
        'bad-adapter',
        `eta ${settings.eta} exceeds the model's ${config.numLayers} layers`,
        {
          where: folder,
        },
      );
    }
    return wholeOrNone(() => ({
      format,
      lora: loadLora(folder, config),
      scorer: loadScorer(folder, config, RAW_SCORES, false),
      settings,
    }));
  },
};

export const dodo = defineMethod({
  name: 'dodo',
  summary: "DODO: learned selection of a LoRA encoder's rows, straight-through scores (question-independent)",
  reference: 'arXiv 2310.02409; straight-through scores as in github.com/hiaoxui/nugget',
  eviction: 'real',
  budget: 'free',
  needs: { training: true, question: false, attention: false },
  trainable,
  options,
  compress: (request) => {
    const { model, kept } = request;
    const adapter = requireAdapter('dodo', trainable, request.adapter);
    const cache = tf.tidy(() => {
      const batch = requestBatch(request);
      const { eta, n_sink } = adapter.settings;
      const { hidden } = model.forward(batch, { layers: eta });
      const { cache: whole, scores } = encode({ model, batch, hidden }, adapter);
      return keepSelected(whole, scores, batch, kept, n_sink);
    });
    return { cache, kept: [...kept] };
  },
});
