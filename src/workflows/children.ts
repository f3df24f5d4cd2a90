/** Processes of ours that work side by side: their share of the cores, and Ctrl-C passed on to them. */
import type { ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { SIGNALS } from './interruption.js';

export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface Children {
  /** Environment with a child's share of the cores. */
  readonly env: NodeJS.ProcessEnv;
  /** Looks after a child until it ends. */
  ended: (child: ChildProcess) => Promise<Ending>;
  /** Asks all that run to save and stop, as a signal does, unless they were asked already: a second signal ends them. */
  stop: () => void;
  /** Whether they were asked to. */
  stopping: () => boolean;
  /** Signals stop being passed on. */
  release: () => void;
}

/**
 * Children that share the machine's cores evenly, `jobs` at once. They are to be started detached, in groups of their
 * own: a signal reaches them through this process alone, once.
 */
export function childrenAtOnce(jobs: number): Children {
  const running = new Set<ChildProcess>();
  const threads = `${Math.max(1, Math.floor(availableParallelism() / jobs))}`;
  let asked = false;
  const pass = (): void => {
    asked = true;
    running.forEach((child) => child.kill('SIGTERM'));
  };
  for (const signal of SIGNALS) process.on(signal, pass);
  return {
    env: { TF_NUM_INTRAOP_THREADS: threads, ...process.env },
    ended: (child) => {
      running.add(child);
      return new Promise((resolve, reject) => {
        child.once('error', reject);
        child.once('exit', (code, signal) => {
          running.delete(child);
          resolve({ code, signal });
        });
      });
    },
    stop: () => {
      if (!asked) pass();
    },
    stopping: () => asked,
    release: () => SIGNALS.forEach((signal) => process.off(signal, pass)),
  };
}
