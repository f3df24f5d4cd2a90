/** A process that runs one experiment for `kvd reproduce --jobs`: told which by a message, answers with another. */
import { UserError } from '../base/errors.js';
import { Store } from '../store/store.js';
import { loadChecked } from './experiments.js';
import { runExperiment, type Done } from './run-experiment.js';

/** The experiment to run, by its file, overrides and hash. */
export interface Order {
  file: string;
  sets: readonly string[];
  hash: string;
  db: string;
}

/** A `UserError` as it travels between processes. */
export interface Failure {
  code: string;
  message: string;
  where?: string | undefined;
  hint?: string | undefined;
  exitCode: number;
}

export type Answer = { done: Done } | { failure: Failure };

async function carryOut({ file, sets, hash, db }: Order): Promise<Answer> {
  const store = Store.open(db);
  try {
    const loaded = loadChecked(file, sets).find((one) => one.hash === hash)!;
    return { done: await runExperiment(loaded, store, true) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { code, message, where, hint, exitCode } = error;
    return { failure: { code, message, where, hint, exitCode } };
  } finally {
    store.close();
  }
}

// Without its parent it saves and stops, as on Ctrl-C.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.once('message', (order: Order) => {
  void carryOut(order).then((answer) => {
    process.removeAllListeners('disconnect');
    // Nobody waits for the answer where the parent is gone.
    if (process.connected) process.send!(answer, () => process.connected && process.disconnect());
  });
});
