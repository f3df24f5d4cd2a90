/** Damaged input for readers, which may refuse it with nothing but clear errors, and soon. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { UserError } from '../../src/base/errors.js';

/** Mutations of each kind; KVD_FUZZ_RUNS=10000 makes so many. */
export const runs = Number(process.env.KVD_FUZZ_RUNS ?? 60);

/** What one input may take, in seconds of this process's processor time, which other work does not prolong. */
const LIMIT_SECONDS = 2;

/** Bytes changed in the first 600 (where headers are) or anywhere, and the end cut off. */
export const damage = (bytes: Buffer): fc.Arbitrary<Buffer> =>
  fc
    .record({
      changes: fc.array(
        fc.tuple(fc.oneof(fc.nat(Math.min(600, bytes.length) - 1), fc.nat(bytes.length - 1)), fc.nat(255)),
        { maxLength: 4 },
      ),
      length: fc.option(fc.nat(bytes.length), { freq: 4, nil: bytes.length }),
    })
    .map(({ changes, length }) => {
      const copy = Buffer.from(bytes);
      for (const [at, byte] of changes) copy[at] = byte;
      return copy.subarray(0, length);
    });

export const strange = fc.oneof(
  fc.constantFrom(null, true, -1, 0, 1.5, 1e308, '', 'x', [], {}, [[]], { type: 'Sequence' }, '__proto__'),
  fc.jsonValue({ maxDepth: 1 }),
);

/** One value, however deep, replaced by a strange one or left out. */
export const twist = (json: unknown): fc.Arbitrary<unknown> =>
  fc
    .record({
      steps: fc.array(fc.nat(1e6), { minLength: 1, maxLength: 6 }),
      value: strange,
      remove: fc.boolean(),
    })
    .map(({ steps, value, remove }) => {
      const copy = structuredClone(json) as Record<string, unknown>;
      let at: Record<string, unknown> = copy;
      for (const [i, step] of steps.entries()) {
        const keys = Object.keys(at);
        if (keys.length === 0) break;
        const key = keys[step % keys.length]!;
        const next = at[key];
        if (i + 1 < steps.length && typeof next === 'object' && next !== null)
          at = next as Record<string, unknown>;
        else {
          if (remove && !Array.isArray(at)) delete at[key];
          else at[key] = value;
          break;
        }
      }
      return copy;
    });

/** How many of the mutations `read` refused, with nothing but UserErrors that name a place, and none that took long. */
export function refusals<T>(mutations: fc.Arbitrary<T>, read: (mutation: T) => void): number {
  let refused = 0;
  fc.assert(
    fc.property(mutations, (mutation) => {
      const started = process.cpuUsage();
      try {
        read(mutation);
      } catch (error) {
        if (!(error instanceof UserError) || error.where === undefined) throw error;
        refused += 1;
      }
      const { user, system } = process.cpuUsage(started);
      expect((user + system) / 1e6).toBeLessThan(LIMIT_SECONDS);
      expect(Object.keys(Object.prototype)).toEqual([]);
    }),
    { numRuns: runs, seed: 1 },
  );
  return refused;
}
