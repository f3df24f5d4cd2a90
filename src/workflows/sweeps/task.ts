/** `kvd sweep task`: one task of a sweep, from its beginning or from where it was interrupted. */
import { UserError } from '../../base/errors.js';
import { methods } from '../../methods/index.js';
import { Store } from '../../store/store.js';
import { evaluateExperiment } from '../evaluate.js';
import { loadChecked } from '../experiments.js';
import { trainExperiment } from '../train.js';
import { readSweep, setTaskState, taskStore } from './folder.js';

export async function runTask(folder: string, task: number, quiet: boolean): Promise<void> {
  const sweep = readSweep(folder);
  const planned = sweep.tasks[task];
  if (planned === undefined) {
    throw new UserError('no-task', `has ${sweep.tasks.length} tasks, none of number ${task}`, {
      where: folder,
    });
  }
  setTaskState(folder, task, 'running');
  let store: Store | undefined;
  try {
    const loaded = loadChecked(sweep.file, sweep.sets).find(({ hash }) => hash === planned.hash);
    if (loaded === undefined) {
      throw new UserError('experiment-changed', `the experiment of task ${task} is no longer in the file`, {
        where: sweep.file,
        hint: 'Begin a new sweep with `kvd sweep`.',
      });
    }
    store = Store.open(taskStore(folder, task));
    const { training, evaluation } = loaded.experiment;
    const needed = evaluation?.methods.some(({ name }) => methods.get(name).needs.training) ?? true;
    if (training !== undefined && needed) await trainExperiment(loaded, store, quiet);
    const shard = sweep.shards === 1 ? undefined : { index: planned.shard, count: sweep.shards };
    if (evaluation !== undefined) await evaluateExperiment(loaded, store, { quiet, shard });
    setTaskState(folder, task, 'finished');
  } catch (error) {
    const interrupted = error instanceof UserError && error.code === 'interrupted';
    const what = error instanceof UserError ? error.describe() : String(error);
    setTaskState(folder, task, interrupted ? 'interrupted' : 'failed', interrupted ? null : what);
    throw error;
  } finally {
    store?.close();
  }
}
