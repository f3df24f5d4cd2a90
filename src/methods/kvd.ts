/** KV-Distill: a learned selection of rows into which a routed encoder packs the rest. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import type { TokenBatch } from '../models/batch.js';
import { gatherRows, type KvCache } from '../models/cache.js';
import type { Decoder } from '../models/decoder.js';
import { SETTINGS } from './adapter-files.js';
import {
  FORMAT,
  freshAdapter,
  kvdTensors,
  loadAdapter,
  saveAdapter,
  type KvdAdapter,
} from './kvd-adapter.js';
import { LORA_WEIGHTS, loraOptions, withoutLastOutputs } from './lora-adapter.js';
import { defineMethod } from './method.js';
import { hideRows, SCORER_WEIGHTS, scorerOptions, scoreTokens, selectTokens } from './scorer.js';
import { requestBatch, sinkOption, topRows } from './selection.js';
import { requireAdapter, type Trainable } from './trainable.js';

const options = z.strictObject({
  eta: z.int().min(1).default(6).describe('layers of the frozen model below the scorer'),
  n_sink: sinkOption,
  ...loraOptions,
  ...scorerOptions,
  decay: z.boolean().default(true).describe('scale attention to kept rows by σ(score)'),
  routing: z.boolean().default(true).describe('Q and O adapters on selected tokens only'),
});

/**
 * The whole context encoded by the adapted model (section 3.2), all rows still there.
 * @param scores [batch, tokens]
 * @param selected [batch, tokens] of 0 and 1
 */
export function encodeContext(
  model: Decoder,
  batch: TokenBatch,
  adapter: KvdAdapter,
  scores: tf.Tensor2D,
  selected: tf.Tensor2D,
): KvCache {
  const { decay, routing } = adapter.settings;
  const column = tf.reshape(selected, [batch.batch * batch.tokens, 1]) as tf.Tensor2D;
  const { cache } = model.forward(batch, {
    lora: { adapter: adapter.lora, ...(routing && { routing: { q: column, o: column } }) },
    cacheOnly: true,
  });
  if (!decay) return cache;
  const gate = tf.reshape(tf.sigmoid(scores), [batch.batch, 1, batch.tokens, 1]);
  return { ...cache, keys: cache.keys.map((keys) => tf.mul<tf.Tensor4D>(keys, gate)) };
}

export const kvdTrainable: Trainable<KvdAdapter> = {
  format: FORMAT,
  files: [LORA_WEIGHTS, SCORER_WEIGHTS, SETTINGS],
  fresh: (config, given, seed) => {
    const { eta, n_sink, decay, routing, ...sizes } = options.parse(given);
    return freshAdapter(config, { eta, n_sink, decay, routing }, sizes, seed);
  },
  tensors: kvdTensors,
  trained: (adapter) =>
    withoutLastOutputs(
      kvdTensors(adapter) as unknown as Record<string, tf.Variable>,
      adapter.lora.layers.length,
    ),
  frozenLayers: (adapter) => adapter.settings.eta,
  // Rows that are not selected are masked rather than gathered: both give the same logits.
  encode: ({ model, batch, kept, hidden }, adapter) => {
    const { n_sink } = adapter.settings;
    const scores = scoreTokens(adapter.scorer, hidden!, batch, n_sink);
    const selected = selectTokens(scores, batch.lengths, kept, n_sink);
    return { cache: hideRows(encodeContext(model, batch, adapter, scores, selected), selected) };
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
      const { eta, n_sink } = adapter.settings;
      const { hidden } = model.forward(batch, { layers: eta });
      const scores = scoreTokens(adapter.scorer, hidden, batch, n_sink);
      const selected = selectTokens(scores, batch.lengths, kept, n_sink);
      const encoded = encodeContext(model, batch, adapter, scores, selected);
      const rows = topRows(tf.expandDims(scores, 1), batch.lengths, n_sink, Math.max(...kept));
      return gatherRows(
        encoded,
        encoded.keys.map(() => rows),
        kept,
      );
    });
    return { cache, kept: [...kept] };
  },
});
