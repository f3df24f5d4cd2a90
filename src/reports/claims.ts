/** Claims in words: what every format says of them. */
import { cellText } from './table.js';
import { digitsFor } from './chart-table.js';
import type { Claim } from './document.js';

/** A verdict as a mark that needs no colour, and a word. */
export const VERDICTS: Readonly<Record<Claim['verdict'], { mark: string; word: string }>> = {
  holds: { mark: '✓', word: 'holds' },
  fails: { mark: '✗', word: 'fails' },
  undecided: { mark: '≈', word: 'undecided' },
  unknown: { mark: '?', word: 'unknown' },
};

/** What decides a claim: "difference 12.3 ± 1.1 points, 11.2 standard errors"; '' where nothing was measured. */
export function evidence({ difference, sigmas }: Claim): string {
  const parts: string[] = [];
  if (difference !== undefined) {
    const { value, stderr, unit } = difference;
    const digits = digitsFor([value, stderr]);
    parts.push(`difference ${cellText({ value, stderr, digits })} ${unit}`);
  }
  if (sigmas !== undefined)
    parts.push(`${Number.isFinite(sigmas) ? sigmas.toFixed(1) : 'many'} standard errors`);
  return parts.join(', ');
}

/** How many claims got which verdict: "3 hold, 1 fails"; '' where there are none. */
export function tally(claims: readonly Claim[]): string {
  return Object.entries(VERDICTS)
    .map(([verdict, { word }]) => ({
      word,
      count: claims.filter((claim) => claim.verdict === verdict).length,
    }))
    .filter(({ count }) => count > 0)
    .map(({ word, count }) => `${count} ${word}`)
    .join(', ');
}
