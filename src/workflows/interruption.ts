/** Ctrl-C: the first asks the work to save and stop, the second ends it at once. */
import { UserError } from '../base/errors.js';

export interface Interruption {
  /** Whether the user has asked to stop. */
  requested(): boolean;
  /** Puts the default behaviour back. */
  release(): void;
}

export function watchInterruption(): Interruption {
  let asked = false;
  const onSignal = (): void => {
    if (asked) process.exit(130);
    asked = true;
    process.stderr.write('\nSaving; once more to stop at once.\n');
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    requested: () => asked,
    release: () => {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}

/** How an interrupted workflow ends: with exit code 130 and the way to go on. */
export function interrupted(command: string): UserError {
  return new UserError('interrupted', 'interrupted; everything done so far is kept', {
    hint: `Go on with: ${command}`,
    exitCode: 130,
  });
}
