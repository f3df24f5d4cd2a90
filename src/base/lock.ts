/** One process at a time: a lock file that a dead process cannot hold. */
import { linkSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { errnoOf } from './errors.js';

const POLL_MS = 200;
/** A lock that names no process was left half-written; its writer needs microseconds to finish. */
const HALF_WRITTEN_MS = 5_000;

/** When process `pid` started, in the kernel's ticks: tells it from a later one with the same number. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field, a command in parentheses, may hold spaces; the start time is the 22nd field.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function claim(): string {
  return JSON.stringify({ pid: process.pid, start: startOf(process.pid) ?? null, host: hostname() });
}

function read(lock: string): string | undefined {
  try {
    return readFileSync(lock, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whether the process that wrote `text` into `lock` still lives. */
function holderLives(lock: string, text: string): boolean {
  let holder: { pid: number; start: string | null; host: string };
  try {
    holder = JSON.parse(text) as typeof holder;
  } catch {
    return Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? 0) < HALF_WRITTEN_MS;
  }
  // On a shared file system another machine's process cannot be seen from here: believe it.
  if (holder.host !== hostname()) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return false;
  }
  const start = startOf(holder.pid);
  return holder.start === null || start === undefined || start === holder.start;
}

/** Takes away a dead process's lock; one that a live process took meanwhile is put back. */
function clear(lock: string, seen: string): void {
  const aside = `${lock}.${process.pid}`;
  try {
    renameSync(lock, aside);
    if (readFileSync(aside, 'utf8') !== seen) linkSync(aside, lock);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

/**
 * Runs `work` while no other process does; the second waits for the first.
 * @param onWait called once if another process holds the lock, with that process's claim
 */
export async function exclusively<T>(
  lock: string,
  work: () => Promise<T>,
  onWait: (holder: string) => void = () => undefined,
): Promise<T> {
  let told = false;
  for (;;) {
    try {
      writeFileSync(lock, claim(), { flag: 'wx' });
      break;
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') {
        // A full disk leaves an empty file behind.
        if (read(lock) === '') rmSync(lock, { force: true });
        throw error;
      }
    }
    const text = read(lock);
    if (text === undefined) continue;
    if (!holderLives(lock, text)) clear(lock, text);
    else {
      if (!told) onWait(text);
      told = true;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}
