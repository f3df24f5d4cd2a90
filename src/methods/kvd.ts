/** KV-Distill: a learned selection of rows into which a routed encoder packs the rest. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { span, type TokenBatch } from '../models/batch.js';
import { gatherRows, type KvCache } from '../models/cache.js';
import type { Decoder } from '../models/decoder.js';
import type { KvdAdapter, Scorer } from './kvd-adapter.js';
import { UserError } from '../base/errors.js';
import { defineMethod } from './method.js';
import { requestBatch, sinkOption, topRows } from './selection.js';

/**
 * Scores of a batch's tokens from the residual stream after η frozen layers (section 3.1): [batch, tokens].
 * Only their order within a context decides what is kept; where the scorer has a `spread`, they are brought
 * to mean `bias` and standard deviation `spread` over each context, its sinks not counted, so that σ(s)
 * cannot saturate for all rows at once, where no gradient would be left.
 * @param hidden [batch·tokens, hidden]
 */
export function scoreTokens(
  scorer: Scorer,
  hidden: tf.Tensor2D,
  batch: TokenBatch,
  sinks: number,
): tf.Tensor2D {
  const shape: [number, number] = [batch.batch, batch.tokens];
  const raw = tf.reshape<tf.Rank.R2>(
    tf.matMul(tf.relu(tf.matMul(hidden, scorer.hidden)), scorer.output),
    shape,
  );
  if (scorer.spread === null) return tf.add<tf.Tensor2D>(raw, scorer.bias);
  const first = (length: number): number => Math.min(sinks, length);
  const mask = tf.tensor2d(
    span(batch, first, (length) => length),
    shape,
  );
  const count = tf.maximum(tf.sum(mask, 1, true), 1);
  const centred = tf.sub(raw, tf.div(tf.sum(tf.mul(raw, mask), 1, true), count));
  const variance = tf.div(tf.sum(tf.mul(tf.square(centred), mask), 1, true), count);
  const unit = tf.div(centred, tf.sqrt(tf.add(variance, 1e-6)));
  return tf.add<tf.Tensor2D>(tf.mul(unit, scorer.spread), scorer.bias);
}

/** 1 for selected tokens, 0 for the others, [batch, tokens]; not differentiable. */
export function selectTokens(
  scores: tf.Tensor2D,
  lengths: readonly number[],
  kept: readonly number[],
  sinks: number,
): tf.Tensor2D {
  return tf.tidy(() => {
    const [batch, tokens] = scores.shape;
    const width = Math.max(...kept);
    const rows = topRows(tf.expandDims(scores, 1), lengths, sinks, width).dataSync();
    const chosen = new Float32Array(batch * tokens);
    kept.forEach((count, row) => {
      for (let i = 0; i < count; i++) chosen[row * tokens + rows[row * width + i]!] = 1;
    });
    return tf.tensor2d(chosen, [batch, tokens]);
  });
}

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

export const kvd = defineMethod({
  name: 'kvd',
  summary: 'KV-Distill: learned selection, routed rsLoRA encoder, distilled by KL (question-independent)',
  reference: 'arXiv 2503.10337, sections 3.1-3.3',
  eviction: 'real',
  needs: { training: true, question: false, attention: false },
  options: z.strictObject({
    eta: z.int().min(1).default(6).describe('layers of the frozen model below the scorer'),
    n_sink: sinkOption,
    lora_r: z.int().min(1).max(4096).default(128).describe('rank of the rsLoRA adapters'),
    lora_alpha: z.number().positive().default(128).describe('rsLoRA alpha; scale = alpha / sqrt(r)'),
    scorer_bias: z
      .number()
      .default(0)
      .describe('mean score of a context, or constant where score_spread is null'),
    score_spread: z
      .number()
      .positive()
      .nullable()
      .default(2)
      .describe("standard deviation that a context's scores are brought to; null leaves them as they are"),
    decay: z.boolean().default(true).describe('scale attention to kept rows by σ(score)'),
    routing: z.boolean().default(true).describe('Q and O adapters on selected tokens only'),
  }),
  compress: (request) => {
    const { model, kept, adapter } = request;
    if (adapter === undefined) {
      throw new UserError('no-adapter', 'method kvd needs a trained adapter', {
        hint: 'Train one with `kvd train`, or name its folder with `--adapter`.',
      });
    }
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
