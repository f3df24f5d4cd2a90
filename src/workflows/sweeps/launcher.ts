/** What runs the tasks of a sweep. */
import { join } from 'node:path';
import type { Entry } from '../../base/registry.js';
import { packageRoot } from '../../base/paths.js';
import type { LauncherOptions } from '../../experiment/launcher.js';
import type { Sweep } from './folder.js';

export interface Launch {
  folder: string;
  sweep: Sweep;
  tasks: readonly number[];
  options: LauncherOptions;
  /** Tasks at once, where the launcher runs them itself. */
  jobs: number;
  quiet: boolean;
}

export interface Launcher extends Entry {
  /**
   * Starts tasks; returns when they have ended, or are in the queue of another program.
   * @param note is told, once, under which number they can be found again
   */
  start(launch: Launch, note: (id: string) => void): Promise<void>;
  /** What is known of tasks that were started under these numbers and wait or run: a word for each. */
  alive(sweep: Sweep): Promise<ReadonlyMap<number, string>>;
  /** Asks all that wait or run to save and stop. */
  cancel(sweep: Sweep): Promise<void>;
}

/** The command line of a task. */
export function taskCommand(folder: string, task: number | string): string[] {
  return [process.execPath, join(packageRoot, 'bin', 'run.js'), 'sweep', 'task', folder, `${task}`];
}
