/** Why something is run again: what changed since the last run of the same name. */
import { differences } from '../reports/differences.js';
import type { Store } from '../store/store.js';

const MOST = 3;

/** ` (changed since run x: training.max_steps)` for a run made anew where one of its name and seed was there before. */
export function changes(
  store: Store,
  kind: string,
  { runId, reused }: { runId: string; reused: boolean },
): string {
  if (reused) return '';
  const run = store.run(runId);
  const before = store
    .listRuns({ kind })
    .find(
      ({ id, name, seed, status }) =>
        id < runId && name === run.name && seed === run.seed && status === 'finished',
    );
  if (before === undefined) return '';
  const keys = differences([before.config, run.config]).map(({ key }) => key);
  if (keys.length === 0) return ` (again: other adapter than in run ${before.id})`;
  const named = keys.slice(0, MOST).join(', ');
  return ` (changed since run ${before.id}: ${named}${keys.length > MOST ? ' …' : ''})`;
}
