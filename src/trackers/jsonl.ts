/** One JSON object a step: what Weights & Biases and Trackio log line by line. */
import { join } from 'node:path';
import { rowsTracker } from './rows.js';

export const jsonl = rowsTracker(
  {
    name: 'jsonl',
    summary: 'metrics as JSON Lines under metrics/: step, time in seconds, and a key for each metric',
    reference: 'https://jsonlines.org',
  },
  ({ folder, name, id }) => join(folder, 'metrics', `${name}-${id}.jsonl`),
  (rows) =>
    rows
      .map(({ step, at, values }) => `${JSON.stringify({ step, timestamp: at / 1000, ...values })}\n`)
      .join(''),
);
