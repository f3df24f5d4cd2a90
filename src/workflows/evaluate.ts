/** `kvd eval`: methods × budgets on a task; every sample is stored as it ends. */
import { canonicalJson, hashOf } from '../base/hash.js';
import { UserError } from '../base/errors.js';
import { take } from '../base/iterate.js';
import { evaluateBudgets, type EvaluationRequest } from '../evaluation/evaluate.js';
import { inBatches } from '../evaluation/prepared.js';
import type { LoadedExperiment } from '../experiment/resolve.js';
import { keptTokens } from '../experiment/retention.js';
import type { Experiment } from '../experiment/schema.js';
import { methods } from '../methods/index.js';
import type { Store } from '../store/store.js';
import { tasks } from '../tasks/index.js';
import type { Task, TaskSample } from '../tasks/task.js';
import {
  adaptersIdentity,
  disposeAdapters,
  findAdapters,
  loadAdapters,
  type FoundAdapters,
} from './adapters.js';
import { cellsByMethod, cellsOf, type Cell } from './cells.js';
import { alone } from './exclusive.js';
import { interrupted, watchInterruption } from './interruption.js';
import { withProgress } from './progress.js';
import { codeVersion, gitCommit, machine, recordFailure } from './run-record.js';
import { openSession } from './session.js';

export interface EvalOptions {
  /** Folder of the adapter, where it is not the experiment's own. */
  adapter?: string | undefined;
  quiet: boolean;
  /** The part of the batches that is evaluated; all where not given. */
  shard?: Shard | undefined;
}

/** One of `count` parts, numbered from 1. Parts have whole batches, so that together they give the same to the last digit. */
export interface Shard {
  index: number;
  count: number;
}

/** The shard that `text`, such as 2/8, names. */
export function parseShard(text: string): Shard {
  const [, index, count] = (/^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? []).map(Number);
  if (index === undefined || count === undefined || index < 1 || index > count) {
    throw new UserError('bad-shard', `"${text}" is no shard`, {
      hint: 'Write --shard 2/8 for the second of eight.',
    });
  }
  return { index, count };
}

export interface EvalResult {
  runId: string;
  /** Answers that the whole evaluation asks for. */
  samples: number;
  /** Whether all of them are stored now; a shard alone leaves the others' to do. */
  complete: boolean;
  /** Whether all had been evaluated before under the same configuration. */
  reused: boolean;
  /** Whether it went on where an earlier one stopped. */
  resumed: boolean;
}

/** An evaluation as it is looked for in the store and worked off. */
interface Plan {
  experiment: Experiment;
  evaluation: NonNullable<Experiment['evaluation']>;
  cells: Cell[];
  adapters: FoundAdapters;
  configHash: string;
  task: Task;
  /** Samples as they are evaluated, whatever is stored already: the same batches give the same numbers. */
  batches: TaskSample[][];
  samples: number;
}

function planOf(loaded: LoadedExperiment, adapter: string | undefined): Plan {
  const { experiment } = loaded;
  const { evaluation } = experiment;
  if (evaluation === undefined) {
    throw new UserError('no-evaluation', 'has no `evaluation` section', { where: loaded.file });
  }
  const cells = cellsOf(experiment);
  const adapters = findAdapters(
    experiment,
    cells.map((cell) => cell.method),
    adapter,
  );
  const {
    training: _training,
    data: _data,
    sweep: _sweep,
    ...evaluated
  } = experiment as Experiment & {
    sweep?: unknown;
  };
  const { name: _name, ...configuration } = evaluated;
  const configHash = hashOf({ ...configuration, adapter: adaptersIdentity(adapters) });
  const task = tasks.get(evaluation.task);
  const samples = take(task.samples(evaluation.task_options, evaluation.split), evaluation.limit);
  const batches = [...inBatches(samples, evaluation.batch_size)];
  return { experiment, evaluation, cells, adapters, configHash, task, batches, samples: samples.length };
}

/** A cell that is being evaluated. */
interface OpenCell extends EvaluationRequest {
  /** In the store. */
  id: number;
  title: string;
  /** Batches of which samples are missing. */
  left: ReadonlySet<readonly TaskSample[]>;
}

function sampleCount(batches: readonly (readonly TaskSample[])[]): number {
  return batches.reduce((sum, batch) => sum + batch.length, 0);
}

function openCell(store: Store, runId: string, plan: Plan, cell: Cell): number {
  const { experiment, evaluation, task } = plan;
  return store.openCell(runId, {
    model: experiment.model.name_or_path,
    method: cell.method,
    methodOptions: canonicalJson(cell.options),
    adapterHash: plan.adapters.get(cell.method)?.hash ?? null,
    budget: canonicalJson(cell.budget),
    retention: cell.budget.kind === 'ratio' ? cell.budget.retention : null,
    budgetLabel: cell.label,
    task: task.name,
    taskVersion: task.version,
    split: evaluation.split,
    seed: experiment.seed,
    eviction: methods.get(cell.method).eviction,
  });
}

/** Evaluates what `loaded` describes; goes on where an earlier, interrupted run of it stopped. */
export async function evaluateExperiment(
  loaded: LoadedExperiment,
  store: Store,
  options: EvalOptions,
): Promise<EvalResult> {
  const plan = planOf(loaded, options.adapter);
  const part = options.shard === undefined ? '' : `.${options.shard.index}-of-${options.shard.count}`;
  const lock = `${store.path}.eval-${plan.configHash.slice(0, 12)}${part}.lock`;
  return alone(lock, `evaluating ${plan.experiment.name}`, options.quiet, () =>
    evaluateOrResume(loaded, plan, store, options),
  );
}

async function evaluateOrResume(
  loaded: LoadedExperiment,
  plan: Plan,
  store: Store,
  { quiet, shard = { index: 1, count: 1 } }: EvalOptions,
): Promise<EvalResult> {
  const { experiment, evaluation, cells, adapters: found, configHash, task } = plan;
  const samples = plan.samples * cells.length;
  const known = store.findRun({ kind: 'eval', configHash });
  if (known?.status === 'finished') {
    return { runId: known.id, samples, complete: true, reused: true, resumed: false };
  }
  const session = await openSession(experiment.model.name_or_path);
  const { model } = session;
  const adapters = loadAdapters(found, model.config);
  const runId = store.openRun({
    kind: 'eval',
    name: experiment.name,
    config: experiment,
    configHash,
    seed: experiment.seed,
    engine: session.engine,
    machine: machine(),
    codeVersion: codeVersion(),
    gitCommit: gitCommit(),
  });
  store.setStatus(runId, 'running');
  const batches = plan.batches.filter((_batch, i) => i % shard.count === shard.index - 1);
  const total = cells.length * sampleCount(batches);
  const part = shard.count === 1 ? '' : `, part ${shard.index} of ${shard.count}`;
  const title = `Evaluating ${experiment.name} on ${task.name} (${total} answers${part})`;
  const interruption = watchInterruption();
  try {
    await withProgress(title, Math.max(1, total), quiet, async (tick) => {
      let done = 0;
      const open = (cell: Cell): OpenCell => {
        const { method, options, budget, label } = cell;
        const id = openCell(store, runId, plan, cell);
        const stored = store.doneSamples(id);
        const left = batches.filter((batch) => !batch.every((sample) => stored.has(sample.id)));
        done += sampleCount(batches) - sampleCount(left);
        const adapter = adapters.get(method);
        return {
          ...session,
          task,
          method: methods.get(method),
          methodOptions: options,
          ...(adapter !== undefined && { adapter }),
          keptRows: (length: number) => keptTokens(budget, length),
          ...(evaluation.fold_tokens !== undefined && { foldTokens: evaluation.fold_tokens }),
          batchSize: evaluation.batch_size,
          intrinsic: evaluation.intrinsic,
          maxNewTokens: evaluation.max_new_tokens ?? task.maxNewTokens,
          stop: interruption.requested,
          id,
          title: `${method} at ${label}`,
          left: new Set(left),
        };
      };
      for (const budgets of cellsByMethod(experiment)) {
        const opened = budgets.map(open);
        for (const batch of batches) {
          const asking = opened.filter(({ left }) => left.has(batch));
          for await (const { request, results } of evaluateBudgets(asking, batch)) {
            store.addSamples(request.id, results);
            done += results.length;
            tick(Math.max(1, done), request.title);
          }
          if (interruption.requested()) {
            store.setStatus(runId, 'interrupted');
            throw interrupted(`kvd eval ${loaded.file}`);
          }
        }
      }
    });
    const complete = isComplete(store, runId, plan);
    if (complete) store.setStatus(runId, 'finished');
    else store.leaveUnfinished(runId);
    return { runId, samples, complete, reused: false, resumed: known !== undefined };
  } catch (error) {
    recordFailure(store, runId, error);
    throw error;
  } finally {
    interruption.release();
    disposeAdapters(found, adapters);
    model.dispose();
  }
}

/** Marks an evaluation as finished if others have stored all of it. @returns whether it is */
export function completeEvaluation(loaded: LoadedExperiment, store: Store): boolean {
  const plan = planOf(loaded, undefined);
  const known = store.findRun({ kind: 'eval', configHash: plan.configHash });
  if (known === undefined || known.status === 'finished') return known !== undefined;
  const complete = isComplete(store, known.id, plan);
  if (complete) store.setStatus(known.id, 'finished');
  return complete;
}

/** Whether every sample of every cell is stored. */
function isComplete(store: Store, runId: string, plan: Plan): boolean {
  const ids = new Set(plan.batches.flat().map(({ id }) => id));
  return plan.cells.every((cell) => store.doneSamples(openCell(store, runId, plan, cell)).size >= ids.size);
}
