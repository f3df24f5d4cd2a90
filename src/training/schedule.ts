/** Learning-rate schedules: pure functions of the step. */

export interface ScheduleOptions {
  learning_rate: number;
  lr_scheduler: 'constant' | 'linear' | 'cosine';
  warmup_steps: number;
  /** Share of the learning rate that is left at the end. */
  min_lr_ratio: number;
  max_steps: number;
}

/** Learning rate of step `step` (1-based): linear warm-up times the schedule's decay. */
export function learningRateAt(step: number, options: ScheduleOptions): number {
  const warmup = Math.min(1, step / Math.max(1, options.warmup_steps));
  const progress = Math.min(1, step / options.max_steps);
  const left =
    options.lr_scheduler === 'constant'
      ? 1
      : options.lr_scheduler === 'linear'
        ? 1 - progress
        : 0.5 * (1 + Math.cos(Math.PI * progress));
  return options.learning_rate * warmup * Math.max(options.min_lr_ratio, left);
}
