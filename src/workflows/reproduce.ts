/** `kvd reproduce`: what tables and figures of the paper need, trained or found again, evaluated and recorded. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../base/errors.js';
import { hashOf } from '../base/hash.js';
import { packageRoot } from '../base/paths.js';
import type { LoadedExperiment } from '../experiment/resolve.js';
import { methods } from '../methods/index.js';
import type { ReportDocument } from '../reports/document.js';
import { targets } from '../reports/sections/index.js';
import type { Target } from '../reports/sections/section.js';
import { Store } from '../store/store.js';
import { changes } from './changes.js';
import { documentOf, type Reproduction, RECORD } from './stored-report.js';
import { evaluateExperiment } from './evaluate.js';
import { loadChecked } from './experiments.js';
import { interrupted } from './interruption.js';
import { codeVersion, gitCommit, machine } from './run-record.js';
import { adapterFolder, trainExperiment } from './train.js';

export interface ReproduceOptions {
  /** All where none is given. */
  target?: string | undefined;
  scale: string;
  quick: boolean;
  /** Keys to override in every experiment: `a.b=value`. */
  sets?: readonly string[] | undefined;
  db: string;
  quiet: boolean;
}

/** An experiment to run, and the one from whose adapter its training goes on. */
interface Planned {
  loaded: LoadedExperiment;
  parent?: LoadedExperiment;
}

interface Done {
  evaluation: string;
  training?: string;
}

/** The command line that these options stand for. */
function commandOf({ target, scale, quick, sets = [] }: Omit<ReproduceOptions, 'db' | 'quiet'>): string {
  return [
    'kvd reproduce',
    ...(target === undefined ? [] : [target]),
    `--scale ${scale}`,
    ...(quick ? ['--quick'] : []),
    ...sets.map((set) => `--set ${set}`),
  ].join(' ');
}

function fileOf(name: string, { scale, quick }: ReproduceOptions): string {
  const file = join(packageRoot, 'experiments', scale, `${name}${quick ? '-quick' : ''}.yaml`);
  if (existsSync(file)) return file;
  throw new UserError('missing-experiment', 'the experiment is not there', {
    where: file,
    hint: 'Choose another --scale, or write it.',
  });
}

/** The experiments of a file, checked; overrides of `training` concern only those that train. */
function load(file: string, sets: readonly string[] = []): LoadedExperiment[] {
  const plain = loadChecked(file);
  const trains = plain.some(({ experiment }) => experiment.training !== undefined);
  const own = sets.filter((set) => trains || !set.startsWith('training.'));
  return own.length === 0 ? plain : loadChecked(file, own);
}

/** The experiments of a target, all checked. */
function planOf(target: Target, options: ReproduceOptions): Planned[] {
  const named = (name: string): LoadedExperiment[] => load(fileOf(name, options), options.sets);
  return target.experiments.flatMap((name) => {
    const parents = target.startsFrom?.[name];
    if (parents === undefined) return named(name).map((loaded) => ({ loaded }));
    const bySeed = new Map(named(parents).map((parent) => [parent.experiment.seed, parent]));
    return named(name).map((loaded) => {
      const parent = bySeed.get(loaded.experiment.seed);
      return { loaded, ...(parent !== undefined && { parent }) };
    });
  });
}

/** The experiment as it is run: with the folder of its parent's adapter, which must be trained by now. */
function complete({ loaded, parent }: Planned, sets: readonly string[] = []): LoadedExperiment {
  if (parent === undefined) return loaded;
  const folder = adapterFolder(parent.experiment);
  const all = loadChecked(loaded.file, [...sets, `training.init_adapter=${JSON.stringify(folder)}`]);
  return all.find(({ experiment }) => experiment.name === loaded.experiment.name)!;
}

function outcome(result: { reused: boolean; resumed: boolean }, fresh: string): string {
  return result.reused ? 'reused' : result.resumed ? 'resumed' : fresh;
}

/** Trains where a method needs it, evaluates, and says what was done anew. */
async function runExperiment(
  loaded: LoadedExperiment,
  store: Store,
  quiet: boolean,
  say: (line: string) => void,
): Promise<Done> {
  const { name, seed, model, training, evaluation } = loaded.experiment;
  const title = `${name} (${model.name_or_path}, seed ${seed})`;
  const trains =
    training !== undefined && evaluation?.methods.some((entry) => methods.get(entry.name).needs.training);
  const trained = trains === true ? await trainExperiment(loaded, store, quiet) : undefined;
  const evaluated = await evaluateExperiment(loaded, store, { quiet });
  const parts = [
    ...(trained === undefined
      ? []
      : [`adapter ${outcome(trained, 'trained')}${changes(store, 'train', trained)}`]),
    `evaluation ${outcome(evaluated, 'made')}${changes(store, 'eval', evaluated)}`,
  ];
  say(`${title}: ${parts.join(', ')}`);
  return { evaluation: evaluated.runId, ...(trained !== undefined && { training: trained.runId }) };
}

/** Writes down which runs a target rests on, unless the newest record says the same. */
function record(store: Store, target: Target, reproduction: Reproduction): void {
  const configHash = hashOf(reproduction);
  const newest = store.listRuns({ kind: RECORD }).find(({ name }) => name === target.name);
  if (newest?.configHash === configHash) return;
  const id = store.createRun({
    kind: RECORD,
    name: target.name,
    config: reproduction,
    configHash,
    seed: 0,
    engine: {},
    machine: machine(),
    codeVersion: codeVersion(),
    gitCommit: gitCommit(),
  });
  store.setStatus(id, 'finished');
}

/** Runs, or reuses, everything that the targets need; `say` is told which. The document is all that the store holds. */
export async function reproduce(
  options: ReproduceOptions,
  say: (line: string) => void,
): Promise<ReportDocument> {
  const { scale, quick, quiet } = options;
  const chosen = options.target === undefined ? targets.list() : [targets.get(options.target)];
  const plan = chosen.map((target) => ({ target, experiments: planOf(target, options) }));
  const store = Store.open(options.db);
  try {
    const done = new Map<string, Done>();
    for (const { target, experiments } of plan) {
      const used: LoadedExperiment[] = [];
      for (const planned of experiments) {
        const loaded = complete(planned, options.sets);
        used.push(loaded);
        if (target.configurationOnly === true || done.has(loaded.hash)) continue;
        done.set(loaded.hash, await runExperiment(loaded, store, quiet, say));
      }
      const runs = used.flatMap(({ hash }) => done.get(hash) ?? []);
      record(store, target, {
        command: commandOf(options),
        scale,
        quick,
        evaluations: [...new Set(runs.map(({ evaluation }) => evaluation))],
        trainings: [...new Set(runs.flatMap(({ training }) => training ?? []))],
        configurations: used.map(({ experiment }) => experiment),
      });
    }
    return documentOf(store, { targets: chosen });
  } catch (error) {
    if (error instanceof UserError && error.code === 'interrupted') {
      throw interrupted(commandOf(options));
    }
    throw error;
  } finally {
    store.close();
  }
}
