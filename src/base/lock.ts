/** One process at a time: a lock file that a dead process cannot hold. */
import { linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { errnoOf } from './errors.js';

const POLL_MS = 200;
/** How often the holder touches its lock, for those who cannot see its process. */
const BEAT_MS = 10_000;
/** A lock of another machine that was not touched for so long, by the waiter's own clock, is a dead process's. */
const SILENT_MS = 180_000;
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

/** The last touch that a waiter saw of a lock, and when it first saw it. */
interface Watch {
  touched: number;
  since: number;
}

/** Whether the process that wrote `text` into `lock` still lives, as far as can be told from here. */
function holderLives(lock: string, text: string, watch: Watch): boolean {
  let holder: { pid: number; start: string | null; host: string };
  try {
    holder = JSON.parse(text) as typeof holder;
  } catch {
    const touched = statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    // Of the future, where the clock was set back meanwhile.
    return Math.abs(Date.now() - touched) < HALF_WRITTEN_MS;
  }
  // On a shared file system another machine's process cannot be seen from here, only its lock.
  if (holder.host !== hostname()) {
    const touched = statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (touched !== watch.touched) Object.assign(watch, { touched, since: performance.now() });
    return performance.now() - watch.since < SILENT_MS;
  }
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
  const watch: Watch = { touched: -1, since: 0 };
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
    if (!holderLives(lock, text, watch)) clear(lock, text);
    else {
      if (!told) onWait(text);
      told = true;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
  const beat = setInterval(() => {
    const now = new Date();
    try {
      utimesSync(lock, now, now);
    } catch {
      // The share is away for a moment, or the lock was removed by hand.
    }
  }, BEAT_MS).unref();
  try {
    return await work();
  } finally {
    clearInterval(beat);
    rmSync(lock, { force: true });
  }
}
