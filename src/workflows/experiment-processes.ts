/** Experiments in processes of their own, so that several run side by side. */
import { fork, type ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { UserError } from '../base/errors.js';
import type { Answer, Order } from './experiment-worker.js';
import type { Done } from './run-experiment.js';

const WORKER = fileURLToPath(new URL('experiment-worker.js', import.meta.url));
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

export interface Processes {
  /** Runs one experiment to its end; a `UserError` there is one here. */
  run(order: Order): Promise<Done>;
  /** Asks all that run to save and stop. */
  stop(): void;
  /** Signals stop being passed on. */
  release(): void;
}

/**
 * Processes that share the machine's cores evenly, `jobs` at once. They stand in groups of their own: a signal reaches
 * them through this process alone, once.
 */
export function experimentProcesses(jobs: number): Processes {
  const running = new Set<ChildProcess>();
  const threads = String(Math.max(1, Math.floor(availableParallelism() / jobs)));
  const env = { TF_NUM_INTRAOP_THREADS: threads, ...process.env };
  const pass = (signal: NodeJS.Signals): void => running.forEach((child) => child.kill(signal));
  for (const signal of SIGNALS) process.on(signal, pass);

  const run = (order: Order): Promise<Done> =>
    new Promise((resolve, reject) => {
      const child = fork(WORKER, { env, detached: true, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
      running.add(child);
      let answer: Answer | undefined;
      child.once('message', (message) => (answer = message as Answer));
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        running.delete(child);
        if (answer === undefined) {
          const ending = signal ?? `exit code ${code}`;
          const hint = 'Run the same command again: it goes on from the last checkpoint.';
          reject(
            new UserError('worker-lost', `its process ended with ${ending}`, { where: order.file, hint }),
          );
        } else if ('failure' in answer) {
          const { code: reason, message, where, hint, exitCode } = answer.failure;
          const details = { ...(where !== undefined && { where }), ...(hint !== undefined && { hint }) };
          reject(new UserError(reason, message, { ...details, exitCode }));
        } else resolve(answer.done);
      });
      child.send(order);
    });

  return {
    run,
    stop: () => pass('SIGTERM'),
    release: () => SIGNALS.forEach((signal) => process.off(signal, pass)),
  };
}
