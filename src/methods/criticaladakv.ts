/** CriticalAdaKV: heads compete for a layer's rows, and choose them by what values do to the output. */
import { z } from 'zod';
import { competeInLayers } from './competition.js';
import { criticalOptions, weighedScores } from './critical-scores.js';
import { ofPress } from './kvpress.js';
import { safeguardOption, safeRows } from './safeguard.js';
import { scorings } from './scorings.js';
import { defineWrapper, ofOption } from './wrapper.js';

/**
 * kvpress's CriticalAdaKVPress: heads share out the rows of their layer by another method's scores as in `adakv`; then
 * each head keeps its safe rows and the first half of its share by those scores, the others by (score + ε)·‖v Wᴼ‖₁.
 */
export const criticaladakv = defineWrapper(scorings, {
  name: 'criticaladakv',
  summary: "Heads compete by another method's scores, and choose by what values do to the output",
  reference: 'CriticalKV, arXiv 2502.03805; kvpress CriticalAdaKVPress',
  kvpress: {
    press: 'CriticalAdaKVPress',
    options: ofPress(scorings, 'alpha_safeguard', 'epsilon', 'first_stage_ratio'),
    scores: 'order',
  },
  options: z.strictObject({ of: ofOption(scorings, 'snapkv'), ...safeguardOption, ...criticalOptions }),
  rank: (request, { method, options }, { alpha_safeguard, epsilon, first_stage_ratio }) => {
    const ranking = method.rank(request, options);
    const safeOf = (kept: number): number => safeRows(kept, alpha_safeguard);
    const counts = competeInLayers(ranking, safeOf);
    const scores = weighedScores(request.model, ranking, epsilon, (layer, sequence, head) =>
      Math.max(
        safeOf(request.kept[sequence]!),
        Math.floor(counts[layer]![sequence]![head]! * first_stage_ratio),
      ),
    );
    return { ...ranking, scores, counts };
  },
});
