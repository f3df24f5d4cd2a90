/** The paper's claims, decided by numbers alone. */
import type { Claim } from './document.js';
import type { Effect } from './effects.js';

/** What lies within so many standard errors of its bar is undecided. */
export const DECISIVE = 2;

/** The rule, for notes. */
export const RULE = `A claim holds where the difference lies more than ${DECISIVE} standard errors above what it asks for, fails where it lies as far below, and is undecided between. Errors take questions as independent of each other, also where several are about one document.`;

/**
 * A claim that `effect` is greater than `bar`.
 * @param unit of the effect, such as `points`
 */
export function claim(text: string, effect: Effect | undefined, bar = 0, unit = 'points'): Claim {
  if (effect === undefined) return { text, verdict: 'unknown' };
  const { value, stderr, how } = effect;
  const margin = value - bar;
  const sigmas = stderr > 0 ? Math.abs(margin) / stderr : undefined;
  const decided = margin !== 0 && (sigmas === undefined || sigmas > DECISIVE);
  const verdict = decided ? (margin > 0 ? 'holds' : 'fails') : 'undecided';
  const asked = bar === 0 ? '' : `; the bar is ${bar} ${unit}`;
  return {
    text,
    verdict,
    difference: { value, stderr, unit },
    ...(sigmas !== undefined && { sigmas }),
    note: `${how}${asked}`,
  };
}

const WORST_FIRST = ['fails', 'unknown', 'undecided', 'holds'] as const;

/** A claim that holds where all of `parts` hold; the weakest decides. */
export function every(text: string, parts: readonly Claim[]): Claim {
  if (parts.length === 0) return { text, verdict: 'unknown' };
  const rank = ({ verdict }: Claim): number => WORST_FIRST.indexOf(verdict);
  const weakest = parts.reduce((worst, part) => {
    if (rank(part) !== rank(worst)) return rank(part) < rank(worst) ? part : worst;
    const further = (part.sigmas ?? Infinity) < (worst.sigmas ?? Infinity);
    return part.verdict === 'fails' ? (further ? worst : part) : further ? part : worst;
  });
  const held = parts.filter(({ verdict }) => verdict === 'holds').length;
  return { ...weakest, text, note: `${held} of ${parts.length} hold; decided by: ${weakest.text}` };
}
