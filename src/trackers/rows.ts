/** Trackers that write one text file with all rows: whole at any moment, whatever happens. */
import type { Entry } from '../base/registry.js';
import { writeFileAtomic } from '../base/files.js';
import type { Row, TrackedRun, Tracker } from './tracker.js';

/** The file is written anew at most so often, and at the end. */
const EVERY_MS = 5_000;

/** @param text of all rows, each step once */
export function rowsTracker(
  entry: Entry,
  path: (run: TrackedRun) => string,
  text: (rows: readonly Row[]) => string,
): Tracker {
  return {
    ...entry,
    open: (run) => {
      const file = path(run);
      const rows = new Map(run.history.map((row) => [row.step, row]));
      let written = -Infinity;
      const write = (): void => {
        writeFileAtomic(file, text([...rows.values()].sort((a, b) => a.step - b.step)));
        written = performance.now();
      };
      return Promise.resolve({
        log: (row) => {
          rows.set(row.step, { ...row, values: { ...rows.get(row.step)?.values, ...row.values } });
          if (performance.now() - written > EVERY_MS) write();
        },
        end: () => Promise.resolve(write()),
      });
    },
  };
}
