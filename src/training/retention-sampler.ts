/** Retention ratios drawn during training, so that one adapter serves every ratio. */
import type { Random } from '../engine/random.js';

export interface RetentionRange {
  retention_min: number;
  retention_max: number;
  retention_distribution: 'uniform' | 'log_uniform';
}

/** One ratio between the bounds; the paper gives 0.1 %-80 % and leaves the distribution open. */
export function sampleRetention(range: RetentionRange, random: Random): number {
  const { retention_min: low, retention_max: high } = range;
  if (range.retention_distribution === 'uniform') return low + (high - low) * random.uniform();
  return low * (high / low) ** random.uniform();
}
