/** KVzip: the rows that the model looks at while it writes the context once more. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import type { KvCache } from '../models/cache.js';
import { competeEverywhere, competeInLayers } from './competition.js';
import type { ScoringRequest } from './method.js';
import { defineScoring, keepRanked } from './scoring.js';
import { secondReading } from './second-reading.js';
import { requestBatch, sinkCounts, sinkOption } from './selection.js';

const options = z.strictObject({
  n_sink: sinkOption,
  budget: z
    .enum(['model', 'layer', 'head'])
    .default('model')
    .describe('whose heads compete for rows: those of all layers, of each layer, or none'),
  chunk_size: z.int().min(1).default(2048).describe('tokens that are written again at once'),
  prompt_ids: z
    .array(z.int().min(0))
    .default([])
    .describe('token ids that ask for the context, put before its repetition'),
});
type Options = z.output<typeof options>;

/**
 * Most attention that any query of a repetition pays each row of the chunk it repeats, over the sinks, the chunk and the
 * repetition alone: per layer [batch, kvHeads, rows of `past`], zero elsewhere.
 * @param chunks token ids that each sequence repeats; empty for those that have come to their end
 * @param from where each chunk begins in its context
 */
function repeatedAttention(
  { model }: ScoringRequest,
  past: KvCache,
  chunks: readonly (readonly number[])[],
  from: readonly number[],
  sinks: readonly number[],
  prompt: readonly number[],
): tf.Tensor3D[] {
  const rows = past.keys[0]!.shape[2];
  const marks = (test: (t: number, row: number) => boolean): tf.Tensor =>
    tf.tensor(
      chunks.flatMap((_, row) => Array.from({ length: rows }, (_, t) => (test(t, row) ? 1 : 0))),
      [chunks.length, 1, 1, 1, rows],
    );
  const inChunk = (t: number, row: number): boolean =>
    t >= from[row]! && t < from[row]! + chunks[row]!.length;
  const repeated = marks(inChunk);
  const looked = marks((t, row) => inChunk(t, row) || t < sinks[row]!);
  const most = secondReading(model, past, { chunks, prompt }, (weights) => {
    const own = weights.shape[4] - rows;
    const all = tf.concat([looked, tf.ones([chunks.length, 1, 1, 1, own])], 4);
    const counted = tf.mul(weights, all);
    const shares = tf.div(counted, tf.maximum(tf.sum(counted, 4, true), 1e-30));
    return tf.mul(tf.slice(shares, [0, 0, 0, 0, 0], [-1, -1, -1, -1, rows]), repeated);
  });
  return most.map((own) => tf.max(own, 2));
}

function reconstructionScores(request: ScoringRequest, past: KvCache, given: Options): tf.Tensor3D[] {
  const { contexts } = request;
  const sinks = sinkCounts(requestBatch(request), given.n_sink);
  const longest = Math.max(...contexts.map((context) => context.length));
  let scores: tf.Tensor3D[] | undefined;
  for (let at = 0; at < longest; at += given.chunk_size) {
    const chunks = contexts.map((context) => context.slice(at, at + given.chunk_size));
    const before = scores;
    const next = tf.tidy(() => {
      const found = repeatedAttention(
        request,
        past,
        chunks,
        chunks.map(() => at),
        sinks,
        given.prompt_ids,
      );
      return before === undefined
        ? found
        : found.map((own, layer) => tf.add<tf.Tensor3D>(own, before[layer]!));
    });
    if (before !== undefined) tf.dispose(before);
    scores = next;
  }
  return scores!;
}

/**
 * kvpress's KVzipPress: the context is prefilled, then fed once more, in chunks of 2,048 tokens, behind the whole cache;
 * a row's score is the most attention that it gets from any query of any head of its group, among the sinks, its chunk
 * and the repetition. 4 sinks stay, and the heads of all layers compete for the rows (`layerwise` there is
 * `budget: layer` here), of which kept × heads × layers stay exactly (there, as many as a threshold leaves). kvpress
 * asks for the repetition in words; a method is not told the tokenizer here: `prompt_ids` takes them as ids.
 */
export const kvzip = defineScoring({
  name: 'kvzip',
  summary: 'The rows that the model looks at while it writes the context once more',
  reference: 'KVzip, arXiv 2505.23416; kvpress KVzipPress',
  kvpress: {
    press: 'KVzipPress',
    options: ({ n_sink, layerwise, chunk_size, prompt_ids, ...params }) =>
      params['kvzip_plus_normalization'] === true
        ? undefined
        : { n_sink, budget: layerwise === true ? 'layer' : 'model', chunk_size, prompt_ids },
    scores: 'values',
  },
  needs: { attention: true },
  options,
  score: (request, given) => {
    const { cache } = request.model.forward(requestBatch(request), { cacheOnly: true });
    return { cache, scores: reconstructionScores(request, cache, given), sinks: given.n_sink };
  },
  keep: (_request, ranking, { budget }) => {
    if (budget === 'head') return keepRanked(ranking);
    const counts = budget === 'model' ? competeEverywhere(ranking) : competeInLayers(ranking, () => 0);
    return keepRanked({ ...ranking, counts });
  },
});
