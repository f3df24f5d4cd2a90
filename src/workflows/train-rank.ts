/** Training with several processes: what a rank other than the first does, and how a rank that fails ends them all. */
import { UserError } from '../base/errors.js';
import { datasets } from '../data/index.js';
import { agreeToTrain, joinGroup, type Group } from '../engine/group.js';
import type { LoadedExperiment } from '../experiment/resolve.js';
import { methods } from '../methods/index.js';
import { disposeAdapter } from '../methods/trainable.js';
import { distill } from '../training/distill.js';
import { startFrom } from '../training/start-from.js';
import { interrupted, watchInterruption } from './interruption.js';
import { openSession } from './session.js';
import { stateFile } from './train.js';

/** Computes this rank's share of every step of a training that the first rank leads, and writes nothing. */
export async function followTraining(loaded: LoadedExperiment, group: Group): Promise<void> {
  if (!agreeToTrain(group, false)) return;
  const { experiment } = loaded;
  const { name: methodName, ...options } = experiment.method;
  const trainable = methods.get(methodName).trainable!;
  const { training, seed, data } = experiment;
  const { model, tokenizer } = await openSession(experiment.model.name_or_path);
  const adapter = trainable.fresh(model.config, options, seed);
  if (training!.init_adapter !== undefined)
    startFrom(trainable, adapter, training!.init_adapter, model.config);
  const { name, ...dataOptions } = data;
  const interruption = watchInterruption();
  try {
    const result = await distill(
      model,
      trainable,
      adapter,
      tokenizer,
      datasets.get(name).open(dataOptions, 'train'),
      { ...training!, seed },
      stateFile(experiment),
      {
        report: () => undefined,
        validate: () => Promise.resolve(0),
        best: () => undefined,
        stop: interruption.requested,
      },
      group,
    );
    if (!result.finished) throw interrupted(`the same command, rank ${group.rank}`);
  } finally {
    interruption.release();
    disposeAdapter(trainable, adapter);
    model.dispose();
  }
}

/** Runs `work` in the group that this process was started in; where it fails alone, no other rank waits for it in vain. */
export async function inGroup<T>(work: (group: Group) => Promise<T>): Promise<T> {
  const group = joinGroup();
  try {
    const result = await work(group);
    group.finish();
    return result;
  } catch (error) {
    if (group.size > 1) {
      if (error instanceof UserError && error.code === 'interrupted') group.finish();
      else {
        const what = error instanceof UserError ? error.describe() : String(error);
        process.stderr.write(`Error on rank ${group.rank} of ${group.size}: ${what}\n`);
        group.abort();
      }
    }
    throw error;
  }
}
