/** Rounding as Python, NumPy and PyTorch do it. */

/** Nearest integer, halves to the even one. */
export function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Rows kept of a context of `length` tokens at a retention ratio: at least 1, at most all. */
export function keptRows(retention: number, length: number): number {
  return Math.min(length, Math.max(1, roundHalfToEven(retention * length)));
}

/** Rows to keep: a share of a context's, or so many whatever its length. */
export type Budget = { kind: 'ratio'; retention: number } | { kind: 'tokens'; tokens: number };
