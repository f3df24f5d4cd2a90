/** Ctrl-C, or a batch system's warning: the first asks the work to save and stop, the second ends it at once. */
import { UserError } from '../base/errors.js';
import { signalSeen, unwatchSignals, watchSignals } from '../engine/abandon.js';

export interface Interruption {
  /** Whether the user has asked to stop. */
  requested: () => boolean;
  /** Puts the default behaviour back. */
  release: () => void;
}

/** A terminal's, a process manager's, and the one that `sbatch --signal` sends before the time is up. */
export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGUSR1'] as const;
const SHOW_CURSOR = '\u001B[?25h';

export function watchInterruption(): Interruption {
  let asked = false;
  const release = (): void => {
    unwatchSignals(SIGNALS);
    SIGNALS.forEach((signal) => void process.off(signal, onSignal));
  };
  const onSignal = (): void => {
    if (asked) process.exit(130);
    asked = true;
    process.stderr.write(`${process.stderr.isTTY ? SHOW_CURSOR : ''}\nSaving; once more to stop at once.\n`);
    // From the next turn on the system itself ends the process, even in the middle of a computation; another signal
    // that has come already is handled here.
    setImmediate(release);
  };
  SIGNALS.forEach((signal) => process.on(signal, onSignal));
  watchSignals(SIGNALS);
  return { requested: () => asked || signalSeen(), release };
}

/** How an interrupted workflow ends: with exit code 130 and the way to go on. */
export function interrupted(command: string): UserError {
  return new UserError('interrupted', 'interrupted; everything done so far is kept', {
    hint: `Go on with: ${command}`,
    exitCode: 130,
  });
}
