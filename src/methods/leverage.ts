/** Leverage: rows whose keys point where few others do. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { leverageScores, sketchOption, standardised, unsketched } from './leverage-scores.js';
import { bySequence } from './rows.js';
import { defineScoring } from './scoring.js';
import { requestBatch, sinkOption } from './selection.js';

/**
 * kvpress's LeverageScorePress: statistical leverage of the keys before rotary embedding, centred over the context, with
 * 0.01 added to the diagonal, standardised over heads and rows; no sinks. Keys no wider than the sketch are taken as
 * they are, and wider ones projected by our own generator: kvpress draws anew each time.
 */
export const leverage = defineScoring({
  name: 'leverage',
  summary: 'The rows whose keys point where few others do',
  reference: 'Compactor, arXiv 2507.08143; kvpress LeverageScorePress',
  kvpress: {
    press: 'LeverageScorePress',
    options: (params) => unsketched(params) && {},
    scores: 'values',
  },
  options: z.strictObject({ n_sink: sinkOption.default(0), ...sketchOption }),
  score: (request, { n_sink, sketch_dimension }) => {
    const batch = requestBatch(request);
    const { cache, projected } = request.model.forward(batch, {
      cacheOnly: true,
      observeProjections: (_layer, { rawKeys }) => tf.transpose(rawKeys, [0, 2, 1, 3]),
    });
    const scores = projected.map((keys) =>
      tf.tidy(() =>
        bySequence(batch.lengths, batch.tokens, (sequence, length) => {
          const own = tf.slice(keys as tf.Tensor4D, [sequence, 0, 0, 0], [1, -1, length, -1]);
          return standardised(leverageScores(own, sketch_dimension));
        }),
      ),
    );
    return { cache, scores, sinks: n_sink };
  },
});
