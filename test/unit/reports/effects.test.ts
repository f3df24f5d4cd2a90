import { describe, expect, it } from 'vitest';
import { difference, over } from '../../../src/reports/effects.js';
import { evidenceOf, pick } from '../../../src/reports/evidence.js';
import { claim, every } from '../../../src/reports/verdicts.js';
import { freshStore, measure } from '../../helpers/measured.js';

/** Sample variance over the count, written out for the numbers below. */
const varianceOfMean = (values: number[]): number => {
  const mean = values.reduce((a, b) => a + b) / values.length;
  return values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1) / values.length;
};

describe('differences', () => {
  it('pair samples, and add what seeds vary', () => {
    const store = freshStore();
    const [a1, a2, b] = [
      [1, 1, 0, 1],
      [1, 1, 1, 1],
      [0, 1, 0, 0],
    ];
    measure(store, { method: 'kvd', seed: 1, values: a1! });
    measure(store, { method: 'kvd', seed: 2, values: a2! });
    measure(store, { method: 'h2i', values: b! });
    const evidence = evidenceOf(store);
    const effect = difference(
      evidence,
      pick(evidence, { method: 'kvd' }),
      pick(evidence, { method: 'h2i' }),
      'accuracy',
    )!;
    const perSample = [1, 0, 0.5, 1];
    expect(effect.value).toBeCloseTo(62.5, 10);
    expect(effect.stderr).toBeCloseTo(
      100 * Math.sqrt(varianceOfMean(perSample) + varianceOfMean([0.75, 1])),
      10,
    );
    expect(effect.how).toBe('paired over 4 questions; 2 and 1 seeds');
  });

  it('pair seeds that both sides share', () => {
    const store = freshStore();
    const config = (routing: boolean): Record<string, unknown> => ({ method: { routing }, training: {} });
    for (const seed of [1, 2]) {
      measure(store, { method: 'kvd', seed, config: config(true), values: seed === 1 ? [1, 1] : [1, 0] });
      measure(store, { method: 'kvd', seed, config: config(false), values: seed === 1 ? [1, 0] : [0, 0] });
    }
    const evidence = evidenceOf(store);
    const side = (routing: boolean): ReturnType<typeof pick> =>
      pick(evidence, { method: 'kvd', where: ({ method }) => method?.routing === routing });
    const effect = difference(evidence, side(true), side(false), 'accuracy')!;
    expect(effect.value).toBeCloseTo(50, 10);
    // Both seeds differ by the same 0.5, and so do both samples.
    expect(effect.stderr).toBeCloseTo(0, 10);
    expect(effect.how).toContain('2 seeds, paired');
  });

  it('take errors as independent where the questions differ', () => {
    const store = freshStore();
    measure(store, { method: 'kvd', values: [1, 0, 1, 0] });
    measure(store, { method: 'h2i', values: [0] });
    const evidence = evidenceOf(store);
    const [a, b] = ['kvd', 'h2i'].map((method) => pick(evidence, { method }));
    const effect = difference(evidence, a!, b!, 'accuracy')!;
    expect(effect.stderr).toBeCloseTo(25, 10);
    expect(effect.how).toContain('independent');
    expect(difference(evidence, a!, [], 'accuracy')).toBeUndefined();
    expect(over(a!, 'accuracy', 40)!.value).toBeCloseTo(10, 10);
  });
});

describe('claims', () => {
  const effect = (value: number, stderr: number): { value: number; stderr: number; how: string } => ({
    value,
    stderr,
    how: '',
  });
  it.each([
    [5, 2, 0, 'holds'],
    [4, 2, 0, 'undecided'],
    [-5, 2, 0, 'fails'],
    [-1, 0.4, -2, 'holds'],
    [-1.5, 0.4, -2, 'undecided'],
    [-3, 0.4, -2, 'fails'],
    [0, 0, -2, 'holds'],
    [0, 0, 0, 'undecided'],
    [-1, 0, 0, 'fails'],
  ])('%d ± %d against %d %s', (value, stderr, bar, verdict) => {
    expect(claim('x', effect(value, stderr), bar).verdict).toBe(verdict);
  });

  it('are unknown where nothing was measured, and the weakest decides over several', () => {
    expect(claim('x', undefined)).toEqual({ text: 'x', verdict: 'unknown' });
    const sure = claim('sure', effect(10, 1));
    const barely = claim('barely', effect(3, 1));
    const open = claim('open', effect(1, 1));
    const wrong = claim('wrong', effect(-9, 1));
    expect(every('all', [sure, barely])).toMatchObject({
      text: 'all',
      verdict: 'holds',
      sigmas: 3,
      note: '2 of 2 hold; decided by: barely',
    });
    expect(every('all', [sure, open, barely]).verdict).toBe('undecided');
    expect(every('all', [sure, open, wrong])).toMatchObject({ verdict: 'fails', sigmas: 9 });
    expect(every('all', []).verdict).toBe('unknown');
  });
});
