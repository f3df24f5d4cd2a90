/** Rows at random: the floor that any score must beat. */
import { z } from 'zod';
import { Random } from '../engine/random.js';
import { defineMethod } from './method.js';
import { compressByContextScores, sinkOption } from './selection.js';

export const random = defineMethod({
  name: 'random',
  summary: 'Random rows and the sinks: a floor',
  reference: 'kvpress RandomPress (one draw for all layers and heads, by context and seed)',
  eviction: 'real',
  needs: { training: false, question: false, attention: false },
  budget: 'free',
  options: z.strictObject({
    n_sink: sinkOption,
    seed: z.int().min(0).default(0).describe('seed of the draw'),
  }),
  compress: (request, { n_sink, seed }) => ({
    cache: compressByContextScores(request, n_sink, (ids) => {
      const generator = new Random(`random/${seed}/${ids.join()}`);
      return ids.map(() => generator.uniform());
    }),
    kept: [...request.kept],
  }),
});
