/** Claims in words: what every format says of them. */
import { cellText } from './table.js';
import type { Claim } from './document.js';

/** A verdict as a mark that needs no colour, and a word. */
export const VERDICTS: Readonly<Record<Claim['verdict'], { mark: string; word: string }>> = {
  holds: { mark: '✓', word: 'holds' },
  fails: { mark: '✗', word: 'fails' },
  undecided: { mark: '≈', word: 'undecided' },
  unknown: { mark: '?', word: 'unknown' },
};

/** Decimal places that show an error's first digit, at least one. */
function digitsOfError(stderr: number): number {
  return stderr > 0 ? Math.min(4, Math.max(1, Math.ceil(-Math.log10(stderr)))) : 1;
}

/** What decides a claim: "difference 12.3 ± 1.1 points, 11.2 standard errors; paired over 400 questions"; '' where nothing was measured. */
export function evidence({ difference, sigmas, note }: Claim): string {
  const parts: string[] = [];
  if (difference !== undefined) {
    const { value, stderr, unit } = difference;
    const digits = digitsOfError(stderr);
    parts.push(`difference ${cellText({ value, stderr, digits }).replace('-', '−')} ${unit}`);
  }
  if (sigmas !== undefined)
    parts.push(`${Number.isFinite(sigmas) ? sigmas.toFixed(1) : 'many'} standard errors`);
  return [parts.join(', '), note].filter(Boolean).join('; ');
}

/** How many claims got which verdict: "holds 3, fails 1"; '' where there are none. */
export function tally(claims: readonly Claim[]): string {
  return Object.entries(VERDICTS)
    .map(([verdict, { word }]) => ({
      word,
      count: claims.filter((claim) => claim.verdict === verdict).length,
    }))
    .filter(({ count }) => count > 0)
    .map(({ word, count }) => `${word} ${count}`)
    .join(', ');
}
