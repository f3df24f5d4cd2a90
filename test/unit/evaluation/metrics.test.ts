import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { containsAnswer, exactMatch, f1, normalizeAnswer } from '../../../src/evaluation/metrics/squad.js';
import {
  bootstrapStandardError,
  mcnemar,
  pairedBootstrap,
  standardErrorOfMean,
  standardErrorOfProportion,
} from '../../../src/evaluation/statistics.js';
import { golden } from '../../helpers/golden.js';

interface Row {
  prediction: string;
  golds: string[];
  prediction_normalized: string;
  exact_match: boolean;
  f1: number;
  contains_stripped_ci: boolean;
}

describe('marks against the official SQuAD script', () => {
  const rows = readFileSync(golden('squad.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);
  it.each(rows)('$prediction', (row) => {
    expect(normalizeAnswer(row.prediction)).toBe(row.prediction_normalized);
    expect(exactMatch(row.prediction, row.golds)).toBe(row.exact_match ? 1 : 0);
    expect(f1(row.prediction, row.golds)).toBeCloseTo(row.f1, 12);
    expect(containsAnswer(row.prediction, row.golds)).toBe(row.contains_stripped_ci ? 1 : 0);
  });
});

describe('statistics', () => {
  it('McNemar is the exact two-sided binomial test', () => {
    // 2 · Σ C(n, i) / 2^n, by hand: 1152 / 32768 and 2 / 1024
    expect(mcnemar(3, 12)).toBeCloseTo(1152 / 32768, 12);
    expect(mcnemar(5, 5)).toBe(1);
    expect(mcnemar(0, 10)).toBeCloseTo(2 / 1024, 12);
    expect(mcnemar(0, 0)).toBe(1);
    expect(mcnemar(400, 500)).toBeGreaterThan(0.0005);
  });
  it('standard errors', () => {
    expect(standardErrorOfProportion(0.9, 100)).toBeCloseTo(0.03, 12);
    expect(standardErrorOfMean([1, 2, 3, 4])).toBeCloseTo(0.6454972, 6);
    const values = Array.from({ length: 400 }, (_, i) => (i % 4 === 0 ? 1 : 0));
    expect(bootstrapStandardError(values)).toBeCloseTo(standardErrorOfProportion(0.25, 400), 2);
  });
  it('the paired bootstrap finds a difference, and finds none where there is none', () => {
    expect(pairedBootstrap(Array.from({ length: 100 }, (_, i) => (i % 3 === 0 ? 0 : 1))).p).toBeLessThan(
      0.01,
    );
    expect(pairedBootstrap(Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? 1 : -1))).p).toBeGreaterThan(
      0.5,
    );
  });
});
