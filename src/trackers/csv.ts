/** One row a step and one column a metric: what `trackio.import_csv` and spreadsheets take. */
import { join } from 'node:path';
import { rowsTracker } from './rows.js';

/** RFC 4180: quoted where it must be. */
function cell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export const csv = rowsTracker(
  {
    name: 'csv',
    summary: 'metrics as a CSV file under metrics/: step, timestamp, and a column for each metric',
    reference: 'RFC 4180',
  },
  ({ folder, name, id }) => join(folder, 'metrics', `${name}-${id}.csv`),
  (rows) => {
    const names = [...new Set(rows.flatMap(({ values }) => Object.keys(values)))];
    const lines = rows.map(({ step, at, values }) => [
      `${step}`,
      new Date(at).toISOString(),
      ...names.map((name) => (values[name] === undefined ? '' : `${values[name]}`)),
    ]);
    return [['step', 'timestamp', ...names.map(cell)], ...lines]
      .map((line) => `${line.join(',')}\n`)
      .join('');
  },
);
