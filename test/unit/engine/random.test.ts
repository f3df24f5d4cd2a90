import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/engine/random.js';

const draws = (random: Random, n: number): number[] => Array.from({ length: n }, () => random.uniform());

describe('Random', () => {
  it('gives the reference stream of xoshiro128**', () => {
    // Printed by the authors' C code, compiled, from the state {1, 2, 3, 4}.
    const random = Random.fromState([1, 2, 3, 4]);
    const expected = [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034];
    expect(expected.map(() => random.uint32())).toEqual(expected);
  });

  it('goes on exactly where a saved state stood', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(20), (seed, before) => {
        const random = new Random(seed);
        draws(random, before);
        const resumed = Random.fromState(JSON.parse(JSON.stringify(random.state())) as number[]);
        expect(draws(resumed, 5)).toEqual(draws(random, 5));
      }),
    );
  });

  it('takes a number and its text as the same seed, and different seeds as different', () => {
    expect(draws(new Random(7), 3)).toEqual(draws(new Random('7'), 3));
    const firsts = Array.from({ length: 20_000 }, (_, seed) => new Random(seed).state().join());
    expect(new Set(firsts).size).toBe(firsts.length);
  });

  it('forks independently of draws made later, and without moving its parent', () => {
    const parent = new Random(1);
    const before = parent.state();
    const child = draws(parent.fork('data'), 4);
    expect(parent.state()).toEqual(before);
    expect(draws(parent.fork('data'), 4)).toEqual(child);
    expect(draws(parent.fork('model'), 4)).not.toEqual(child);
  });

  it('is uniform and normal to within five standard errors', () => {
    const random = new Random('moments');
    const n = 100_000;
    const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / n;
    const uniform = draws(random, n);
    expect(Math.abs(mean(uniform) - 0.5)).toBeLessThan((5 * Math.sqrt(1 / 12)) / Math.sqrt(n));
    const normal = Array.from({ length: n }, () => random.normal());
    expect(Math.abs(mean(normal))).toBeLessThan(5 / Math.sqrt(n));
    expect(Math.abs(mean(normal.map((x) => x * x)) - 1)).toBeLessThan((5 * Math.SQRT2) / Math.sqrt(n));
    const counts = [0, 0, 0, 0, 0, 0, 0];
    for (let i = 0; i < n; i++) counts[random.int(7)]! += 1;
    for (const count of counts) expect(Math.abs(count - n / 7)).toBeLessThan(5 * Math.sqrt(n / 7));
  });

  it('shuffles a copy into a permutation, each first element equally often', () => {
    const random = new Random(3);
    const original = [0, 1, 2, 3];
    const firsts = [0, 0, 0, 0];
    for (let i = 0; i < 8_000; i++) {
      const shuffled = random.shuffle(original);
      expect([...shuffled].sort()).toEqual(original);
      firsts[shuffled[0]!]! += 1;
    }
    expect(original).toEqual([0, 1, 2, 3]);
    for (const count of firsts) expect(Math.abs(count - 2_000)).toBeLessThan(5 * Math.sqrt(1_500));
  });

  it.each([[[0, 0, 0, 0]], [[1, 2, 3]], [[1, 2, 3, -1]], [[1, 2, 3, 0.5]]])(
    'refuses %j as a state',
    (state) => {
      expect(() => Random.fromState(state)).toThrow('not the state of a random generator');
    },
  );

  it('refuses to draw from nothing', () => {
    expect(() => new Random(0).int(0)).toThrow();
    expect(() => new Random(0).pick([])).toThrow();
  });
});
