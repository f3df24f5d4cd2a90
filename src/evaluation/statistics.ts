/** Error bars and paired tests. */
import { Random } from '../engine/random.js';

const RESAMPLES = 2000;

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Standard error of a proportion `p` over `n` independent trials. */
export function standardErrorOfProportion(p: number, n: number): number {
  return Math.sqrt((p * (1 - p)) / n);
}

/** Sample standard deviation (n − 1) over √n; 0 for fewer than two values. */
export function standardErrorOfMean(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const centre = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1) / values.length);
}

function bootstrapMeans(values: readonly number[], seed: number): number[] {
  const random = new Random(`bootstrap/${seed}`);
  return Array.from({ length: RESAMPLES }, () => {
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += values[random.int(values.length)]!;
    return sum / values.length;
  });
}

/** Bootstrap standard error of the mean (Efron & Tibshirani 1993), 2,000 resamples. */
export function bootstrapStandardError(values: readonly number[], seed = 0): number {
  const means = bootstrapMeans(values, seed);
  const centre = mean(means);
  return Math.sqrt(mean(means.map((value) => (value - centre) ** 2)));
}

/**
 * McNemar's exact test on paired right/wrong answers: two-sided binomial p-value.
 * @param onlyFirst pairs that only the first got right
 * @param onlySecond pairs that only the second got right
 */
export function mcnemar(onlyFirst: number, onlySecond: number): number {
  const n = onlyFirst + onlySecond;
  const least = Math.min(onlyFirst, onlySecond);
  let logTerm = -n * Math.LN2;
  let tail = 0;
  for (let i = 0; i <= least; i++) {
    tail += Math.exp(logTerm);
    logTerm += Math.log((n - i) / (i + 1));
  }
  return Math.min(1, 2 * tail);
}

/** Mean of paired differences with its 95 % bootstrap interval and a two-sided p-value. */
export function pairedBootstrap(
  differences: readonly number[],
  seed = 0,
): { mean: number; low: number; high: number; p: number } {
  const means = bootstrapMeans(differences, seed).sort((a, b) => a - b);
  const at = (share: number): number => means[Math.min(means.length - 1, Math.floor(share * means.length))]!;
  const below = means.filter((value) => value <= 0).length;
  const above = means.filter((value) => value >= 0).length;
  const p = Math.min(1, (2 * (Math.min(below, above) + 1)) / (means.length + 1));
  return { mean: mean(differences), low: at(0.025), high: at(0.975), p };
}
