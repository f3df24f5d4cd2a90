/** Closeness of arrays: relative and absolute, refusing what is not finite, naming the worst place. */
import { expect } from 'vitest';

/** Fails unless |ours − reference| ≤ tolerance · (1 + |reference|) everywhere. */
export function expectClose(
  ours: ArrayLike<number>,
  reference: ArrayLike<number>,
  tolerance = 1e-4,
  what = 'the array',
): void {
  expect(ours.length).toBe(reference.length);
  expect(reference.length).toBeGreaterThan(0);
  let worst = -1;
  let at = 0;
  for (let i = 0; i < reference.length; i++) {
    const gap = Math.abs(ours[i]! - reference[i]!) / (1 + Math.abs(reference[i]!));
    if (!Number.isFinite(gap))
      throw new Error(`${what} is not finite at ${i}: ${ours[i]} against ${reference[i]}`);
    if (gap > worst) [worst, at] = [gap, i];
  }
  if (worst > tolerance)
    throw new Error(`${what} differs by ${worst} at ${at}: ${ours[at]} against ${reference[at]}`);
}
