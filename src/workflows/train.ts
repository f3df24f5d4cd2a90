/** `kvd train`: distils an adapter, resumes it, or finds that it is already there. */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { datasets } from '../data/index.js';
import { agreeToTrain, solo, type Group } from '../engine/group.js';
import { evaluate } from '../evaluation/evaluate.js';
import { mean } from '../evaluation/statistics.js';
import type { LoadedExperiment } from '../experiment/resolve.js';
import { trainingHash } from '../experiment/resolve.js';
import type { Experiment } from '../experiment/schema.js';
import { validationOf } from '../experiment/validation.js';
import { UserError } from '../base/errors.js';
import { fileError } from '../base/files.js';
import { take } from '../base/iterate.js';
import { keptRows } from '../base/rounding.js';
import { adapterHash, hasAdapter } from '../methods/adapter-files.js';
import { methods } from '../methods/index.js';
import type { Method } from '../methods/method.js';
import { disposeAdapter, type Adapter, type Trainable } from '../methods/trainable.js';
import type { Store } from '../store/store.js';
import { tasks } from '../tasks/index.js';
import { distill, type DistillOptions } from '../training/distill.js';
import { startFrom } from '../training/start-from.js';
import { alone } from './exclusive.js';
import { interrupted, watchInterruption } from './interruption.js';
import { withProgress } from './progress.js';
import { codeVersion, gitCommit, machine, recordFailure } from './run-record.js';
import { openSession, type Session } from './session.js';
import { openTracking, trackersFromEnvironment } from './tracking.js';

export interface TrainResult {
  runId: string;
  /** Folder of the best adapter. */
  adapter: string;
  steps: number;
  /** Whether it had been trained before under the same configuration. */
  reused: boolean;
  /** Whether it went on from a checkpoint. */
  resumed: boolean;
}

/** Folder of everything that training this experiment leaves behind; named by what is trained alone. */
export function trainingFolder(experiment: Experiment): string {
  return join(experiment.training?.output_dir ?? 'runs', `train-${trainingHash(experiment).slice(0, 12)}`);
}

/** Folder of an experiment's trained adapter, whether it exists or not. */
export function adapterFolder(experiment: Experiment): string {
  return join(trainingFolder(experiment), 'adapter');
}

/** File of the last checkpoint. */
export function stateFile(experiment: Experiment): string {
  return join(trainingFolder(experiment), 'state.safetensors');
}

interface Trained {
  method: Method;
  trainable: Trainable;
  options: Record<string, unknown>;
}

/** The method that an experiment trains, with its options; one with nothing to train is a UserError. */
export function trainedMethod(experiment: Experiment): Trained {
  const { name, ...options } = experiment.method;
  const method = methods.get(name);
  if (method.trainable === undefined) {
    throw new UserError('nothing-to-train', `method ${name} has nothing to train`, {
      hint: 'Run `kvd eval` instead.',
    });
  }
  return { method, trainable: method.trainable, options };
}

/** Headline metric of the adapter on validation samples at one retention; undefined where it was stopped. */
async function validate(
  session: Session,
  adapter: Adapter,
  experiment: Experiment,
  { method, options }: Trained,
  stop: () => boolean,
): Promise<number | undefined> {
  const training = experiment.training!;
  const { task: name, task_options, fold_tokens } = validationOf(experiment);
  const task = tasks.get(name);
  const samples = take(task.samples(task_options, 'validation'), training.eval_limit);
  const marks: number[] = [];
  const request = {
    ...session,
    task,
    method,
    methodOptions: options,
    adapter,
    keptRows: (length: number) => keptRows(training.eval_retention, length),
    ...(fold_tokens !== undefined && { foldTokens: fold_tokens }),
    batchSize: 32,
    maxNewTokens: task.maxNewTokens,
    intrinsic: task.metrics.length === 0,
    stop,
  };
  for await (const result of evaluate(request, samples))
    marks.push(result.metrics[task.metrics[0] ?? 'agreement'] ?? 0);
  return marks.length < samples.length ? undefined : mean(marks);
}

/**
 * Trains what `loaded` describes; an experiment trained before is found again by its configuration.
 * @param group the processes that train together, of which this is the first
 * @param trackers names of those that get its metrics too
 */
export async function trainExperiment(
  loaded: LoadedExperiment,
  store: Store,
  quiet: boolean,
  group: Group = solo,
  trackers: readonly string[] = trackersFromEnvironment(),
): Promise<TrainResult> {
  const { experiment } = loaded;
  const { training } = experiment;
  if (training === undefined) {
    throw new UserError('no-training', 'has no `training` section', { where: loaded.file });
  }
  const trained = trainedMethod(experiment);
  const parent = training.init_adapter;
  if (parent !== undefined && !hasAdapter(parent)) {
    throw new UserError('no-adapter', 'no trained adapter is there to go on from', {
      where: parent,
      hint: 'Train it first, or name another folder in training.init_adapter.',
    });
  }
  const folder = trainingFolder(experiment);
  makeFolder(folder);
  return alone(join(folder, 'lock'), `training ${experiment.name}`, quiet, async () => {
    const known = store.findRun({ kind: 'train', configHash: trainingHash(experiment) });
    const adapter = adapterFolder(experiment);
    if (known?.status !== 'finished') return trainOrResume(loaded, trained, store, quiet, group, trackers);
    if (hasAdapter(adapter)) {
      agreeToTrain(group, false);
      return { runId: known.id, adapter, steps: training.max_steps, reused: true, resumed: false };
    }
    // Its adapter was taken away; the state of the last step does not hold the best one.
    rmSync(stateFile(experiment), { force: true });
    return trainOrResume(loaded, trained, store, quiet, group, trackers);
  });
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw fileError(error, folder);
  }
}

async function trainOrResume(
  loaded: LoadedExperiment,
  trained: Trained,
  store: Store,
  quiet: boolean,
  group: Group,
  trackers: readonly string[],
): Promise<TrainResult> {
  agreeToTrain(group, true);
  const { experiment } = loaded;
  const training = experiment.training!;
  const { trainable, options } = trained;
  const parent = training.init_adapter;
  const adapterPath = adapterFolder(experiment);
  const statePath = stateFile(experiment);
  const { name, ...dataOptions } = experiment.data;
  // Before the model is loaded, which may take minutes.
  const source = datasets.get(name).open(dataOptions, 'train');
  const session = await openSession(experiment.model.name_or_path);
  const { model, tokenizer } = session;
  const adapter = trainable.fresh(model.config, options, experiment.seed);
  if (parent !== undefined) startFrom(trainable, adapter, parent, model.config);
  const resumed = existsSync(statePath);
  const runId = store.openRun({
    kind: 'train',
    name: experiment.name,
    config: experiment,
    configHash: trainingHash(experiment),
    seed: experiment.seed,
    engine: session.engine,
    machine: machine(),
    codeVersion: codeVersion(),
    gitCommit: gitCommit(),
  });
  store.setStatus(runId, 'running');
  const tracking = await openTracking(store, runId, trackers);
  const distillOptions: DistillOptions = { ...training, seed: experiment.seed };
  const interruption = watchInterruption();
  try {
    const title = `Training ${experiment.name} (${experiment.model.name_or_path}, seed ${experiment.seed})`;
    const result = await withProgress(title, training.max_steps, quiet, (tick) => {
      let validation = '';
      return distill(
        model,
        trainable,
        adapter,
        tokenizer,
        source,
        distillOptions,
        statePath,
        {
          report: ({ step, loss, gradientNorm, gradientNormSpike, learningRate, tokensPerSecond }) => {
            tick(step, `loss ${loss.toFixed(4)} nats · ${Math.round(tokensPerSecond)} tok/s${validation}`);
            if (step % 10 === 0 || step === training.max_steps || gradientNormSpike !== undefined) {
              tracking.log(step, {
                loss,
                gradient_norm: gradientNorm,
                learning_rate: learningRate,
                tokens_per_second: tokensPerSecond,
                ...(gradientNormSpike !== undefined && { gradient_norm_spike: gradientNormSpike }),
              });
            }
          },
          validate: async (step) => {
            const quality = await validate(session, adapter, experiment, trained, interruption.requested);
            if (quality === undefined) return undefined;
            tracking.log(step, { validation: quality });
            validation = ` · validation ${(100 * quality).toFixed(1)} %`;
            return quality;
          },
          best: () => trainable.save(adapterPath, adapter, experiment.model.name_or_path),
          stop: () => interruption.requested(),
        },
        group,
      );
    });
    if (!result.finished) {
      store.setStatus(runId, 'interrupted');
      await tracking.end('interrupted');
      throw interrupted(`kvd train ${loaded.file}`);
    }
    const sha256 = adapterHash(trainable, adapterPath);
    store.addArtifact(runId, { kind: 'adapter', path: adapterPath, sha256 });
    await tracking.end('finished');
    store.setStatus(runId, 'finished');
    return { runId, adapter: adapterPath, steps: result.step, reused: false, resumed };
  } catch (error) {
    if (!(error instanceof UserError && error.code === 'interrupted'))
      await tracking.end('failed').catch(() => undefined);
    recordFailure(store, runId, error);
    throw error;
  } finally {
    interruption.release();
    disposeAdapter(trainable, adapter);
    model.dispose();
  }
}
