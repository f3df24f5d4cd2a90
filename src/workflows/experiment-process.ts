/** An experiment in a process of its own, so that several run side by side. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { UserError } from '../base/errors.js';
import type { Children } from './children.js';
import type { Answer, Order } from './experiment-worker.js';
import { interrupted } from './interruption.js';
import type { Done } from './run-experiment.js';

const WORKER = fileURLToPath(new URL('experiment-worker.js', import.meta.url));

/** Runs one experiment to its end; a `UserError` there is one here. */
export async function runInProcess(order: Order, children: Children): Promise<Done> {
  const child = fork(WORKER, {
    env: children.env,
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const answers: Answer[] = [];
  child.once('message', (message) => answers.push(message as Answer));
  child.send(order);
  const { code, signal } = await children.ended(child);
  const [answer] = answers;
  if (answer === undefined) {
    // One that was told to stop while it was still loading had nothing to save.
    if (children.stopping()) throw interrupted('the same command');
    throw new UserError('worker-lost', `its process ended with ${signal ?? `exit code ${code}`}`, {
      where: order.file,
      hint: 'Run the same command again: it goes on from the last checkpoint.',
    });
  }
  if ('done' in answer) return answer.done;
  const { code: reason, message, where, hint, exitCode } = answer.failure;
  const details = { ...(where !== undefined && { where }), ...(hint !== undefined && { hint }) };
  throw new UserError(reason, message, { ...details, exitCode });
}
