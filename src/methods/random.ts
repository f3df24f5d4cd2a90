/** Rows at random: the floor that any score must beat. */
import { z } from 'zod';
import { Random } from '../engine/random.js';
import { scoresByIds } from './prefill.js';
import { defineScoring } from './scoring.js';
import { sinkOption } from './selection.js';

export const random = defineScoring({
  name: 'random',
  summary: 'Random rows and the sinks: a floor',
  reference: 'kvpress RandomPress (one draw for all layers and heads, by context and seed)',
  kvpress: { press: 'RandomPress', options: ({ seed }) => ({ seed, n_sink: 0 }), scores: 'given' },
  options: z.strictObject({
    n_sink: sinkOption,
    seed: z.int().min(0).default(0).describe('seed of the draw'),
  }),
  score: (request, { n_sink, seed }) =>
    scoresByIds(request, n_sink, (ids) => {
      const generator = new Random(`random/${seed}/${ids.join()}`);
      return ids.map(() => generator.uniform());
    }),
});
