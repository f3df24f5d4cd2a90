/** KVCompose: rows by a second reading, layers by how much their best rows of any place draw. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { scoreArrays, type HeadScores } from './arrays.js';
import { shareByScore } from './competition.js';
import { defineScoring, keepRanked, type Ranking } from './scoring.js';
import { secondReading } from './second-reading.js';
import { requestBatch, sinkOption } from './selection.js';

/** Most attention of a query of the second reading, the mean over a group, with the mean over heads added. */
function readingScores(most: tf.Tensor4D): tf.Tensor3D {
  const scores = tf.mean(most, 2);
  return tf.add(scores, tf.mean(scores, 1, true)) as tf.Tensor3D;
}

/** The mean over heads of their first, second … best scores, from the best on. */
function composite(heads: readonly HeadScores[]): Float32Array {
  const sorted = heads.map((own) => [...own].sort((a, b) => b - a));
  return Float32Array.from(
    sorted[0]!,
    (_, place) => sorted.reduce((sum, own) => sum + own[place]!, 0) / sorted.length,
  );
}

/** How many rows each layer keeps, all its heads the same: layers compete, the lowest by the best that any has. */
function layerCounts(ranking: Ranking, kept: readonly number[]): Ranking['counts'] {
  const arrays = scoreArrays(ranking);
  const bySequence = kept.map((count, sequence) => {
    const lists = arrays.map((layer) => composite(layer[sequence]!));
    const best = lists[0]!.map((_, place) => Math.max(...lists.map((own) => own[place]!)));
    return shareByScore([best, ...lists.slice(1)], count * lists.length, 1);
  });
  return arrays.map((_, layer) => bySequence.map((counts) => [counts[layer]!]));
}

/**
 * kvpress's KVComposePress (structured): the context is read once more behind its whole cache; a row's score is the most
 * attention that a query of the second reading pays it, averaged over the query heads of a group, plus the mean of that
 * over KV heads. Layers share out the rows by the means over heads of their best, second best … scores, the first layer
 * with the greatest of all layers; each layer keeps one at least, each head of it its own best. No sinks.
 */
export const kvcompose = defineScoring({
  name: 'kvcompose',
  summary: 'The rows that a second reading looks at; layers share them out by their best',
  reference: 'KVCompose, arXiv 2509.05165; kvpress KVComposePress',
  needs: { attention: true },
  kvpress: {
    press: 'KVComposePress',
    options: (params) => {
      const { structured, agg_task, agg_group, agg_head, add_v_norm, add_mean_across_heads } = params;
      const ours =
        structured === true &&
        [agg_task, agg_group, agg_head].join() === 'max,mean,mean' &&
        add_v_norm === false &&
        add_mean_across_heads === true &&
        params['keep_token_lower_bound'] === 0;
      return ours ? {} : undefined;
    },
    scores: 'values',
  },
  options: z.strictObject({ n_sink: sinkOption.default(0) }),
  score: (request, { n_sink }) => {
    const { cache } = request.model.forward(requestBatch(request), { cacheOnly: true });
    const rows = cache.keys[0]!.shape[2];
    const reading = { chunks: request.contexts, prompt: [] };
    const most = secondReading(request.model, cache, reading, (weights) =>
      tf.slice(weights, [0, 0, 0, 0, 0], [-1, -1, -1, -1, rows]),
    );
    return { cache, scores: most.map(readingScores), sinks: n_sink };
  },
  keep: (request, ranking) => keepRanked({ ...ranking, counts: layerCounts(ranking, request.kept) }),
});
