/** Differences between two measurements, with errors that make the most of shared samples and shared seeds. */
import type { CellSummary } from '../store/store.js';
import type { Evidence } from './evidence.js';
import { figure } from './groups.js';

export interface Effect {
  /** In points of a hundred. */
  value: number;
  stderr: number;
  /** How the error was found, in words. */
  how: string;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Sample variance over the count: the square of the mean's standard error; 0 for fewer than two values. */
function varianceOfMean(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const centre = mean(values);
  return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1) / values.length;
}

/** A metric of each sample, averaged over the cells (seeds) that all hold it. */
function perSample(evidence: Evidence, cells: readonly CellSummary[], metric: string): Map<string, number> {
  const maps = cells.map((cell) => evidence.samples(cell));
  const ids = [...(maps[0]?.keys() ?? [])];
  return new Map(
    ids.flatMap((id) => {
      const values = maps.map((samples) => samples.get(id)?.metrics[metric]);
      return values.some((value) => value === undefined) ? [] : [[id, mean(values as number[])] as const];
    }),
  );
}

/**
 * Variance of a − b that comes from training. Where both sides were trained with the same seeds (the same first
 * weights, the same order of data), a pair is a seed; else each side brings its own variance.
 */
function varianceOverSeeds(
  a: readonly CellSummary[],
  b: readonly CellSummary[],
  metric: string,
): { variance: number; how: string } {
  const bySeed = new Map(b.map((cell) => [cell.seed, cell]));
  const shared = a.filter((cell) => bySeed.has(cell.seed));
  if (a.length > 1 && shared.length === a.length && a.length === b.length) {
    const differences = a.map((cell) => cell.metrics[metric]! - bySeed.get(cell.seed)!.metrics[metric]!);
    return { variance: varianceOfMean(differences), how: `${a.length} seeds, paired` };
  }
  const variance = [a, b]
    .map((cells) => varianceOfMean(cells.map(({ metrics }) => metrics[metric]!)))
    .reduce((x, y) => x + y);
  const counts = [...new Set([a.length, b.length])].sort((x, y) => y - x);
  return { variance, how: counts[0] === 1 ? 'one seed' : `${counts.join(' and ')} seeds` };
}

/**
 * Mean of `a` less mean of `b`. Where both answered the same questions, the error is √(v₁ + v₂): v₁ the variance of
 * the mean of the questions' differences (averaged over seeds), v₂ what training with other seeds adds. Else the two
 * errors are taken as independent.
 */
export function difference(
  evidence: Evidence,
  a: readonly CellSummary[],
  b: readonly CellSummary[],
  metric: string,
): Effect | undefined {
  const [first, second] = [figure(a, metric), figure(b, metric)];
  if (first === undefined || second === undefined) return undefined;
  const ofA = perSample(evidence, a, metric);
  const ofB = perSample(evidence, b, metric);
  const pairs = [...ofA].flatMap(([id, value]) => (ofB.has(id) ? [value - ofB.get(id)!] : []));
  if (pairs.length < 2 || pairs.length < Math.min(ofA.size, ofB.size)) {
    return {
      value: 100 * (first.value - second.value),
      stderr: 100 * Math.hypot(first.stderr, second.stderr),
      how: 'other questions on each side: errors taken as independent',
    };
  }
  const { variance, how } = varianceOverSeeds(a, b, metric);
  return {
    value: 100 * mean(pairs),
    stderr: 100 * Math.sqrt(varianceOfMean(pairs) + variance),
    how: `paired over ${pairs.length} questions; ${how}`,
  };
}

/** A measurement less a fixed value. */
export function over(cells: readonly CellSummary[], metric: string, bar: number): Effect | undefined {
  const measured = figure(cells, metric);
  if (measured === undefined) return undefined;
  return { value: 100 * measured.value - bar, stderr: 100 * measured.stderr, how: `measured, less ${bar}` };
}
