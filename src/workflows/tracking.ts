/** Metrics of a run into the store, and into the trackers that were asked for. */
import { dirname } from 'node:path';
import { trackers } from '../trackers/index.js';
import type { End, Row } from '../trackers/tracker.js';
import type { Store } from '../store/store.js';

/** What trackers may take once a run is interrupted; a server that does not answer gets the rest when it goes on. */
const PATIENCE_MS = 1000;

export interface Tracking {
  log(step: number, values: Record<string, number>): void;
  end(how: End): Promise<void>;
}

/** The trackers that KVD_TRACKERS names, separated by commas; none unless given. */
export function trackersFromEnvironment(): string[] {
  return (process.env.KVD_TRACKERS ?? '').split(',').flatMap((name) => name.trim() || []);
}

/** Metrics of a run by step, as trackers take them up again. */
function historyOf(store: Store, runId: string): Row[] {
  const at = Date.parse(store.run(runId).startedAt);
  const rows = new Map<number, Record<string, number>>();
  for (const { step, name, value } of store.metrics(runId)) {
    if (value !== null) rows.set(step, { ...rows.get(step), [name]: value });
  }
  return [...rows].sort(([a], [b]) => a - b).map(([step, values]) => ({ step, at, values }));
}

export async function openTracking(store: Store, runId: string, names: readonly string[]): Promise<Tracking> {
  const chosen = names.map((name) => trackers.get(name));
  const { name, kind, config } = store.run(runId);
  const history = chosen.length === 0 ? [] : historyOf(store, runId);
  const run = { id: runId, name, kind, config, folder: dirname(store.path), history };
  const tracks = await Promise.all(chosen.map((tracker) => tracker.open(run)));
  return {
    log: (step, values) => {
      store.addMetrics(runId, step, values);
      for (const track of tracks) track.log({ step, at: Date.now(), values });
    },
    end: async (how) => {
      const ended = Promise.all(tracks.map((track) => track.end(how)));
      if (how !== 'interrupted') return void (await ended);
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise((resolve) => (timer = setTimeout(resolve, PATIENCE_MS)));
      await Promise.race([ended, late]).finally(() => clearTimeout(timer));
    },
  };
}
