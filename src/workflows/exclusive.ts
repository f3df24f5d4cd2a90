/** One process at a time on one piece of work; the second waits, and then finds it done. */
import { exclusively } from '../base/lock.js';
import { UserError } from '../base/errors.js';
import { fileError } from '../base/files.js';

function holderOf(claim: string): string {
  try {
    const { pid, host } = JSON.parse(claim) as { pid: number; host: string };
    return `process ${pid} on ${host}`;
  } catch {
    return 'another process';
  }
}

/**
 * Runs `work` while no other process holds the lock file.
 * @param what is waited for, as the user is told
 * @param quiet says nothing
 */
export async function alone<T>(
  lock: string,
  what: string,
  quiet: boolean,
  work: () => Promise<T>,
): Promise<T> {
  const onWait = (claim: string): void => {
    if (!quiet) process.stderr.write(`Waiting for ${holderOf(claim)}, which is at ${what} (${lock})\n`);
  };
  try {
    return await exclusively(lock, work, onWait);
  } catch (error) {
    throw error instanceof UserError ? error : fileError(error, lock);
  }
}
