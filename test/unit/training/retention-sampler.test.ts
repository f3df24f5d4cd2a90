import { expect, it } from 'vitest';
import { Random } from '../../../src/engine/random.js';
import { sampleRetention, type RetentionRange } from '../../../src/training/retention-sampler.js';

const range: RetentionRange = {
  retention_min: 0.001,
  retention_max: 0.8,
  retention_distribution: 'uniform',
  retention_warmup_steps: 100,
};

function draw(step: number, overrides: Partial<RetentionRange> = {}): number[] {
  const random = new Random('retention test');
  return Array.from({ length: 2000 }, () => sampleRetention({ ...range, ...overrides }, step, random));
}

it('covers the whole range once warmed up, evenly or evenly in the logarithm', () => {
  const uniform = draw(101);
  expect(Math.min(...uniform)).toBeGreaterThanOrEqual(0.001);
  expect(Math.max(...uniform)).toBeLessThanOrEqual(0.8);
  expect(uniform.filter((ratio) => ratio < 0.4).length / uniform.length).toBeCloseTo(0.5, 1);
  const logarithmic = draw(101, { retention_distribution: 'log_uniform' });
  expect(logarithmic.filter((ratio) => ratio < Math.sqrt(0.0008)).length / 2000).toBeCloseTo(0.5, 1);
});

it('falls from keeping everything to the whole range', () => {
  expect(Math.min(...draw(1))).toBe(1);
  const middle = draw(51);
  expect(Math.min(...middle)).toBeGreaterThan(0.5);
  expect(Math.max(...middle)).toBeLessThan(0.9);
  expect(Math.min(...draw(101))).toBeLessThan(0.01);
  expect(Math.max(...draw(101))).toBeLessThanOrEqual(0.8);
  expect(Math.min(...draw(1, { retention_warmup_steps: 0 }))).toBeLessThan(0.01);
});
