/** Retention ratios drawn during training, so that one adapter serves every ratio. */
import type { Random } from '../engine/random.js';

export interface RetentionRange {
  retention_min: number;
  retention_max: number;
  retention_distribution: 'uniform' | 'log_uniform';
  /** Steps in which the smallest ratio falls from `retention_max` to `retention_min`. */
  retention_warmup_steps: number;
}

/**
 * One ratio between the bounds for step `step` (1-based); the paper gives 0.1 %-80 % and leaves the distribution
 * open. While most rows are kept the scorer learns which of them answers come from; where few are kept from the
 * start, rows that mislead are punished before rows that help are known (docs/lab-log.md).
 */
export function sampleRetention(range: RetentionRange, step: number, random: Random): number {
  const { retention_min, retention_max: high, retention_warmup_steps } = range;
  const opened = Math.min(1, step / Math.max(1, retention_warmup_steps));
  const low = high - (high - retention_min) * opened;
  if (range.retention_distribution === 'uniform') return low + (high - low) * random.uniform();
  return low * (high / low) ** random.uniform();
}
