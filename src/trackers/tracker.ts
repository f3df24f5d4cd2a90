/** Where metrics go beside the store, for those who watch them with other tools. */
import type { Entry } from '../base/registry.js';

/** A run as trackers see it. */
export interface TrackedRun {
  /** Of the store; the same when it is resumed. */
  id: string;
  name: string;
  kind: string;
  config: unknown;
  /** Folder under which trackers that write files make theirs. */
  folder: string;
  /** What was logged before it was interrupted, by step. */
  history: readonly Row[];
}

export interface Row {
  step: number;
  /** Milliseconds since 1970. */
  at: number;
  values: Readonly<Record<string, number>>;
}

export type End = 'finished' | 'failed' | 'interrupted';

export interface Track {
  log(row: Row): void;
  /** Writes or sends all that waits. */
  end(how: End): Promise<void>;
}

export interface Tracker extends Entry {
  /** Begins a run, or goes on with it. A tracker whose server is away says so and never stops the work. */
  open(run: TrackedRun): Promise<Track>;
}
