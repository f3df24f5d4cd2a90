/** CriticalKV: scores weighed by what a row's value does to the output. */
import { z } from 'zod';
import { criticalOptions, weighedScores } from './critical-scores.js';
import { ofPress } from './kvpress.js';
import { scorings } from './scorings.js';
import { defineWrapper, ofOption } from './wrapper.js';

/**
 * kvpress's CriticalKVPress: half of the rows (at least one) by another method's scores, the others by
 * (score + ε)·‖v Wᴼ‖₁, averaged over the query heads of a group.
 */
export const criticalkv = defineWrapper(scorings, {
  name: 'criticalkv',
  summary: "Another method's scores weighed by what values do to the output",
  reference: 'CriticalKV, arXiv 2502.03805; kvpress CriticalKVPress',
  kvpress: {
    press: 'CriticalKVPress',
    options: ofPress(scorings, 'epsilon', 'first_stage_ratio'),
    scores: 'values',
  },
  options: z.strictObject({ of: ofOption(scorings, 'snapkv'), ...criticalOptions }),
  rank: (request, { method, options }, { epsilon, first_stage_ratio }) => {
    const ranking = method.rank(request, options);
    const least = first_stage_ratio > 0 ? 1 : 0;
    const scores = weighedScores(request.model, ranking, epsilon, (_layer, sequence) =>
      Math.max(least, Math.floor(request.kept[sequence]! * first_stage_ratio)),
    );
    return { ...ranking, scores };
  },
});
