/** How soon a process ends once it was sent signals: by the clock, and by its own processor time, which no other work prolongs. */
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** How often a process is looked at. */
const EVERY_MS = 5;
/** The kernel counts processor time in hundredths (USER_HZ, the same on every Linux that Node runs on). */
const TICKS = 100;

/** Seconds that a process has computed, on all its threads; undefined once it has ended. */
function processorSeconds(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field, a command in parentheses, may hold spaces; user and system time are the 14th and 15th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : (Number(fields[11]) + Number(fields[12])) / TICKS;
  } catch {
    return undefined;
  }
}

export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** From the signals to the end of the process and all that wrote to its streams. */
  seconds: number;
  /** Of the process alone, from the signals to its end. */
  processorSeconds: number;
}

/** Sends signals to a process, one right after the other, and waits for its end. */
export function endBy(child: ChildProcess, signals: readonly NodeJS.Signals[]): Promise<Ending> {
  const pid = child.pid!;
  const sent = performance.now();
  const before = processorSeconds(pid) ?? 0;
  let last = before;
  const timer = setInterval(() => (last = processorSeconds(pid) ?? last), EVERY_MS);
  return new Promise((done) => {
    child.once('close', (code, signal) => {
      clearInterval(timer);
      const seconds = (performance.now() - sent) / 1000;
      done({ code, signal, seconds, processorSeconds: last - before });
    });
    for (const signal of signals) child.kill(signal);
  });
}
