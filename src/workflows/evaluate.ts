/** `kvd eval`: methods × budgets on a task; every sample is stored as it ends. */
import { canonicalJson, hashOf } from '../base/hash.js';
import { UserError } from '../base/errors.js';
import { take } from '../base/iterate.js';
import { evaluate, type SampleResult } from '../evaluation/evaluate.js';
import type { LoadedExperiment } from '../experiment/resolve.js';
import {
  budgetsOf,
  describeBudget,
  keptTokens,
  type Budget,
  type BudgetSpellings,
} from '../experiment/retention.js';
import type { Experiment } from '../experiment/schema.js';
import { methods } from '../methods/index.js';
import type { FixedBudget, Method } from '../methods/method.js';
import type { Store } from '../store/store.js';
import { tasks } from '../tasks/index.js';
import { adaptersIdentity, disposeAdapters, findAdapters, loadAdapters } from './adapters.js';
import { interrupted, watchInterruption } from './interruption.js';
import { withProgress } from './progress.js';
import { codeVersion, gitCommit, machine } from './run-record.js';
import { openSession } from './session.js';

export interface EvalOptions {
  /** Folder of the adapter, where it is not the experiment's own. */
  adapter?: string | undefined;
  quiet: boolean;
}

export interface EvalResult {
  runId: string;
  samples: number;
  /** Whether all had been evaluated before under the same configuration. */
  reused: boolean;
  /** Whether it went on where an earlier one stopped. */
  resumed: boolean;
}

interface Cell {
  method: string;
  options: Record<string, unknown>;
  budget: Budget;
  /** Of the budget. */
  label: string;
}

function budgetsFor(method: Method, spellings: BudgetSpellings): FixedBudget[] {
  if (method.budget !== 'free') return [method.budget];
  return budgetsOf(spellings).map((budget) => ({ budget, label: describeBudget(budget) }));
}

/** Cells in the order of evaluation; a method of fixed budget has one, whatever the budgets. */
function cellsOf(experiment: Experiment): Cell[] {
  const { evaluation } = experiment;
  if (evaluation === undefined) return [];
  return evaluation.methods.flatMap(({ name, ...options }) =>
    budgetsFor(methods.get(name), evaluation).map((budget) => ({ method: name, options, ...budget })),
  );
}

/** Evaluates what `loaded` describes; goes on where an earlier, interrupted run of it stopped. */
export async function evaluateExperiment(
  loaded: LoadedExperiment,
  store: Store,
  options: EvalOptions,
): Promise<EvalResult> {
  const { experiment } = loaded;
  const { evaluation } = experiment;
  if (evaluation === undefined) {
    throw new UserError('no-evaluation', 'has no `evaluation` section', { where: loaded.file });
  }
  const cells = cellsOf(experiment);
  const found = findAdapters(
    experiment,
    cells.map((cell) => cell.method),
    options.adapter,
  );
  const {
    training: _training,
    data: _data,
    sweep: _sweep,
    ...evaluated
  } = experiment as Experiment & { sweep?: unknown };
  const { name: _name, ...configuration } = evaluated;
  const configHash = hashOf({ ...configuration, adapter: adaptersIdentity(found) });
  const task = tasks.get(evaluation.task);
  const samples = take(task.samples(evaluation.task_options, evaluation.split), evaluation.limit);
  const total = samples.length * cells.length;
  const known = store.findRun({ kind: 'eval', configHash });
  if (known?.status === 'finished') return { runId: known.id, samples: total, reused: true, resumed: false };

  const session = await openSession(experiment.model.name_or_path);
  const { model } = session;
  const adapters = loadAdapters(found, model.config);
  const runId =
    known?.id ??
    store.createRun({
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
  const interruption = watchInterruption();
  try {
    await withProgress(
      `Evaluating ${experiment.name} on ${task.name} (${total} answers)`,
      total,
      options.quiet,
      async (tick) => {
        let done = 0;
        for (const cell of cells) {
          const method = methods.get(cell.method);
          const cellId = store.openCell(runId, {
            model: experiment.model.name_or_path,
            method: cell.method,
            methodOptions: canonicalJson(cell.options),
            adapterHash: found.get(cell.method)?.hash ?? null,
            budget: canonicalJson(cell.budget),
            retention: cell.budget.kind === 'ratio' ? cell.budget.retention : null,
            budgetLabel: cell.label,
            task: task.name,
            taskVersion: task.version,
            split: evaluation.split,
            seed: experiment.seed,
            eviction: method.eviction,
          });
          const stored = store.doneSamples(cellId);
          const left = samples.filter((sample) => !stored.has(sample.id));
          done += stored.size;
          const adapter = adapters.get(cell.method);
          const request = {
            ...session,
            task,
            method,
            methodOptions: cell.options,
            ...(adapter !== undefined && { adapter }),
            keptRows: (length: number) => keptTokens(cell.budget, length),
            ...(evaluation.fold_tokens !== undefined && { foldTokens: evaluation.fold_tokens }),
            batchSize: evaluation.batch_size,
            intrinsic: evaluation.intrinsic,
            maxNewTokens: evaluation.max_new_tokens ?? task.maxNewTokens,
          };
          let batch: SampleResult[] = [];
          const flush = (): void => {
            store.addSamples(cellId, batch);
            done += batch.length;
            batch = [];
            tick(Math.max(1, done), `${cell.method} at ${cell.label}`);
          };
          for await (const result of evaluate(request, left)) {
            batch.push(result);
            if (batch.length >= evaluation.batch_size) flush();
            if (interruption.requested()) break;
          }
          if (batch.length > 0) flush();
          if (interruption.requested()) {
            store.setStatus(runId, 'interrupted');
            throw interrupted(`kvd eval ${loaded.file}`);
          }
        }
      },
    );
    store.setStatus(runId, 'finished');
    return { runId, samples: total, reused: false, resumed: known !== undefined };
  } catch (error) {
    if (!(error instanceof UserError && error.code === 'interrupted')) {
      store.setStatus(runId, 'failed', String(error));
    }
    throw error;
  } finally {
    interruption.release();
    disposeAdapters(found, adapters);
    model.dispose();
  }
}
