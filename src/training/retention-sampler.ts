/** Retention ratios drawn during training, so that one adapter serves every ratio. */
import type { Random } from '../engine/random.js';

export interface RetentionRange {
  retention_min: number;
  retention_max: number;
  retention_distribution: 'uniform' | 'log_uniform';
  /** Steps in which both bounds fall from 1 to their places. */
  retention_warmup_steps: number;
}

/**
 * One ratio between the bounds for step `step` (1-based); the paper gives 0.1 %-80 % and leaves the distribution
 * open. While all rows are kept, the gradient of a row's score tells how much the row helps. Once rows are
 * missing it also tells which rows mislead those who ask for the missing ones, and these are the rows that
 * would help others: so the scorer is best taught before any are (docs/lab-log.md).
 */
export function sampleRetention(range: RetentionRange, step: number, random: Random): number {
  const { retention_warmup_steps: warmup } = range;
  const opened = warmup === 0 ? 1 : Math.min(1, (step - 1) / warmup);
  const fallen = (bound: number): number => 1 - (1 - bound) * opened;
  const [low, high] = [fallen(range.retention_min), fallen(range.retention_max)];
  if (range.retention_distribution === 'uniform') return low + (high - low) * random.uniform();
  return low * (high / low) ** random.uniform();
}
