/** KV-Distill: a learned selection of rows into which a routed encoder packs the rest. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { fused, fusedAvailable } from '../engine/fused.js';
import { flatRows, type TokenBatch } from '../models/batch.js';
import type { KvCache } from '../models/cache.js';
import type { Decoder } from '../models/decoder.js';
import { borrowedScores, scoresOption } from './borrowed-scores.js';
import { SETTINGS } from './adapter-files.js';
import {
  FORMAT,
  freshAdapter,
  kvdSettings,
  kvdTensors,
  loadAdapter,
  saveAdapter,
  type KvdAdapter,
} from './kvd-adapter.js';
import { loraOptions, withoutLastOutputs } from './lora-adapter.js';
import { LORA_WEIGHTS } from './peft.js';
import { defineMethod } from './method.js';
import {
  hideRows,
  keepSelected,
  keepTokens,
  markTokens,
  perLayer,
  SCORER_WEIGHTS,
  scorerOptions,
  scorerTensors,
  scoreTokens,
  selectedTokens,
  selectTokens,
} from './scorer.js';
import { requestBatch, sinkOption } from './selection.js';
import { requireAdapter, type EncodeRequest, type Trainable } from './trainable.js';

const options = z.strictObject({
  eta: z.int().min(1).default(6).describe('layers of the frozen model below the scorer'),
  n_sink: sinkOption,
  ...loraOptions,
  ...scorerOptions,
  decay: z.boolean().default(true).describe('scale attention to kept rows by σ(score)'),
  routing: z
    .union([z.boolean(), z.literal('embedding')])
    .default(true)
    .describe(
      "Q and O adapters on selected tokens only; false: on all; embedding: on all, with a learned vector added to the selected tokens' embeddings (Table 5)",
    ),
  selection: z
    .enum(['shared', 'per_head'])
    .optional()
    .describe('whether all layers and KV heads keep the same rows (shared, unless given) or each its own'),
  scores: scoresOption,
});

/**
 * The whole context encoded by the adapted model (section 3.2), all rows still there, but in the last layer those of
 * `alone` where they are given.
 * @param scores [batch, heads, tokens]
 * @param told [batch, 1, tokens] of 0 and 1: the tokens of which the encoder is told that they are selected
 * @param alone tokens of each sequence that all layers and heads keep
 */
export function encodeContext(
  model: Decoder,
  batch: TokenBatch,
  adapter: KvdAdapter,
  scores: tf.Tensor3D,
  told: tf.Tensor3D,
  alone?: readonly (readonly number[])[],
): KvCache {
  const { routing } = adapter.settings;
  const column = tf.reshape(told, [batch.batch * batch.tokens, 1]) as tf.Tensor2D;
  const { cache } = model.forward(batch, {
    lora: { adapter: adapter.lora, ...(routing === true && { routing: { q: column, o: column } }) },
    ...(adapter.marker && { embeddingOffset: tf.matMul(column, adapter.marker) }),
    cacheOnly: true,
    lastTokens: alone,
  });
  if (!decays(adapter)) return cache;
  const all = tf.expandDims(tf.sigmoid(scores), 3);
  const gates = perLayer(all, cache.keys.length);
  if (alone !== undefined) {
    const theirs = tf.gather(tf.reshape(all, [-1]), tf.tensor1d(flatRows(alone, batch.tokens), 'int32'));
    gates[gates.length - 1] = tf.reshape(theirs, [batch.batch, 1, -1, 1]);
  }
  const scaled = (rows: tf.Tensor4D, factors: tf.Tensor): tf.Tensor4D =>
    fusedAvailable()
      ? (fused('KvdScaleRows', { rows, factors }, {})[0] as tf.Tensor4D)
      : tf.mul<tf.Tensor4D>(rows, factors);
  return { ...cache, keys: cache.keys.map((keys, layer) => scaled(keys, gates[layer]!)) };
}

/** Whether keys are scaled by their rows' scores: only the scorer's own mean anything as a factor. */
function decays({ settings }: KvdAdapter): boolean {
  return settings.decay && settings.scores === undefined;
}

/** The scorer's scores, or the places that another method's give the tokens. */
function scoresOf({ model, batch, kept, hidden }: EncodeRequest, adapter: KvdAdapter): tf.Tensor3D {
  const { n_sink, scores } = adapter.settings;
  if (scores === undefined) return scoreTokens(adapter.scorer, hidden!, batch, n_sink);
  return borrowedScores(model, batch, kept, scores, adapter.scorer.output.shape[1] > 1);
}

/** Scores, and the encoded context; where heads select for themselves, the encoder is told what their mean selects. */
function encode(
  { model, batch, kept, hidden }: EncodeRequest,
  adapter: KvdAdapter,
): { cache: KvCache; scores: tf.Tensor3D; told: tf.Tensor3D; alone?: number[][] } {
  const { n_sink } = adapter.settings;
  const scores = scoresOf({ model, batch, kept, hidden }, adapter);
  const shared = scores.shape[1] === 1;
  const common = shared ? scores : (tf.mean(scores, 1, true) as tf.Tensor3D);
  const selected = selectedTokens(common, batch, kept, n_sink);
  const told = markTokens(selected, common.shape);
  const alone = shared ? selected : undefined;
  return {
    cache: encodeContext(model, batch, adapter, scores, told, alone),
    scores,
    told,
    ...(alone && { alone }),
  };
}

export const kvdTrainable: Trainable<KvdAdapter> = {
  format: FORMAT,
  files: [LORA_WEIGHTS, SCORER_WEIGHTS, SETTINGS],
  fresh: (config, given, seed) => {
    const { eta, n_sink, decay, routing, selection, scores, ...sizes } = options.parse(given);
    const perHead = selection === 'per_head';
    return freshAdapter(
      config,
      { eta, n_sink, decay, routing, ...(scores && { scores }) },
      { ...sizes, perHead },
      seed,
    );
  },
  settings: kvdSettings,
  newSettings: ['scorer_bias', 'score_spread', 'decay'],
  tensors: kvdTensors,
  // Without decay no gradient reaches the scorer: it stays as it was drawn.
  trained: (adapter) => {
    const { scorer, lora } = adapter;
    const fixed = decays(adapter) ? {} : scorerTensors(scorer);
    const trained = Object.entries(kvdTensors(adapter)).filter(([name]) => !(name in fixed));
    return withoutLastOutputs(
      Object.fromEntries(trained) as unknown as Record<string, tf.Variable>,
      lora.layers.length,
    );
  },
  frozenLayers: ({ settings }) => (settings.scores === undefined ? settings.eta : undefined),
  // Rows that are not selected are masked rather than gathered: both give the same logits.
  encode: (request, adapter) => {
    const { cache, scores, told, alone } = encode(request, adapter);
    if (alone !== undefined) return { cache: hideRows(cache, told, cache.keys.length - 1) };
    const { batch, kept } = request;
    return { cache: hideRows(cache, selectTokens(scores, batch, kept, adapter.settings.n_sink)) };
  },
  save: saveAdapter,
  load: loadAdapter,
};

export const kvd = defineMethod({
  name: 'kvd',
  summary: 'KV-Distill: learned selection, routed rsLoRA encoder, distilled by KL (question-independent)',
  reference: 'arXiv 2503.10337, sections 3.1-3.3',
  eviction: 'real',
  needs: { training: true, question: false, attention: false },
  budget: 'free',
  trainable: kvdTrainable,
  options,
  compress: (request) => {
    const { model, kept } = request;
    const adapter = requireAdapter('kvd', kvdTrainable, request.adapter);
    const cache = tf.tidy(() => {
      const batch = requestBatch(request);
      const { eta, n_sink, scores: borrowed } = adapter.settings;
      const hidden = borrowed === undefined ? model.forward(batch, { layers: eta }).hidden : undefined;
      const { cache: whole, scores, alone } = encode({ model, batch, kept, hidden }, adapter);
      return alone === undefined
        ? keepSelected(whole, scores, batch, kept, n_sink)
        : keepTokens(whole, alone);
    });
    return { cache, kept: [...kept] };
  },
});
