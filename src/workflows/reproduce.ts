/** `kvd reproduce`: what tables and figures of the paper need, trained or found again, evaluated and recorded. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../base/errors.js';
import { hashOf } from '../base/hash.js';
import { packageRoot } from '../base/paths.js';
import { runPieces, type Piece } from '../base/schedule.js';
import type { LoadedExperiment } from '../experiment/resolve.js';
import type { ReportDocument } from '../reports/document.js';
import { targets } from '../reports/sections/index.js';
import type { Target } from '../reports/sections/section.js';
import { Store } from '../store/store.js';
import { documentOf, type Reproduction, RECORD } from './stored-report.js';
import { childrenAtOnce } from './children.js';
import { runInProcess } from './experiment-process.js';
import { loadChecked } from './experiments.js';
import { interrupted } from './interruption.js';
import { withProgress, type Tick } from './progress.js';
import { codeVersion, gitCommit, machine } from './run-record.js';
import { runExperiment, type Done } from './run-experiment.js';
import { adapterFolder } from './train.js';

export interface ReproduceOptions {
  /** All where none is given. */
  target?: string | undefined;
  scale: string;
  quick: boolean;
  /** How many experiments run side by side, each in a process of its own where they are several. */
  jobs: number;
  /** Keys to override in every experiment: `a.b=value`. */
  sets?: readonly string[] | undefined;
  db: string;
  quiet: boolean;
}

/** An experiment to run, the overrides it was loaded with, and the one from whose adapter its training goes on. */
interface Planned {
  loaded: LoadedExperiment;
  sets: readonly string[];
  parent?: Planned;
}

/** The command line that these options stand for. */
function commandOf({
  target,
  scale,
  quick,
  jobs,
  sets = [],
}: Omit<ReproduceOptions, 'db' | 'quiet'>): string {
  return [
    'kvd reproduce',
    ...(target === undefined ? [] : [target]),
    `--scale ${scale}`,
    ...(quick ? ['--quick'] : []),
    ...(jobs > 1 ? [`--jobs ${jobs}`] : []),
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
function load(file: string, given: readonly string[] = []): Planned[] {
  const plain = loadChecked(file);
  const trains = plain.some(({ experiment }) => experiment.training !== undefined);
  const sets = given.filter((set) => trains || !set.startsWith('training.'));
  return (sets.length === 0 ? plain : loadChecked(file, sets)).map((loaded) => ({ loaded, sets }));
}

/** The experiments of a target, all checked. */
function planOf(target: Target, options: ReproduceOptions): Planned[] {
  const named = (name: string): Planned[] => {
    const own = load(fileOf(name, options), options.sets);
    const parents = target.startsFrom?.[name];
    if (parents === undefined) return own;
    const bySeed = new Map(named(parents).map((parent) => [parent.loaded.experiment.seed, parent]));
    return own.map((planned) => {
      const parent = bySeed.get(planned.loaded.experiment.seed);
      return { ...planned, ...(parent !== undefined && { parent }) };
    });
  };
  return target.experiments.flatMap(named);
}

/** The experiment as it is run: with the folder of its parent's adapter, which must be trained by now. */
function complete({ loaded, sets, parent }: Planned): Planned {
  if (parent === undefined) return { loaded, sets };
  const folder = adapterFolder(complete(parent).loaded.experiment);
  const all = [...sets, `training.init_adapter=${JSON.stringify(folder)}`];
  const { name } = loaded.experiment;
  return {
    loaded: loadChecked(loaded.file, all).find(({ experiment }) => experiment.name === name)!,
    sets: all,
  };
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

/** What training an experiment makes; undefined where it trains nothing. */
function madeBy({ experiment }: LoadedExperiment): string | undefined {
  return experiment.training === undefined ? undefined : adapterFolder(experiment);
}

/** Records a target whose experiments have all ended. */
function finish(
  store: Store,
  { target, experiments }: Course,
  done: ReadonlyMap<string, Done>,
  options: ReproduceOptions,
): void {
  const runs = experiments.flatMap(({ loaded }) => done.get(loaded.hash) ?? []);
  record(store, target, {
    command: commandOf(options),
    scale: options.scale,
    quick: options.quick,
    evaluations: [...new Set(runs.map(({ evaluation }) => evaluation))],
    trainings: [...new Set(runs.flatMap(({ training }) => training ?? []))],
    configurations: experiments.map((planned) => complete(planned).loaded.experiment),
  });
}

/** A target's experiments, and which of them have not ended. */
interface Course {
  target: Target;
  experiments: Planned[];
  missing: Set<string>;
}

/** Runs, or reuses, everything that the targets need; `say` is told which. The document is all that the store holds. */
export async function reproduce(
  options: ReproduceOptions,
  say: (line: string) => void,
): Promise<ReportDocument> {
  const { quiet, jobs, db } = options;
  const chosen = options.target === undefined ? targets.list() : [targets.get(options.target)];
  const courses = chosen.map((target): Course => {
    const experiments = planOf(target, options);
    const run = target.configurationOnly === true ? [] : experiments;
    return { target, experiments, missing: new Set(run.map(({ loaded }) => loaded.hash)) };
  });
  const units = new Map(
    courses.flatMap(({ experiments, missing }) =>
      experiments.filter(({ loaded }) => missing.has(loaded.hash)).map((one) => [one.loaded.hash, one]),
    ),
  );
  const store = Store.open(db);
  const children = jobs > 1 ? childrenAtOnce(jobs) : undefined;
  const done = new Map<string, Done>();
  const end = (hash: string, result: Done): void => {
    done.set(hash, result);
    if (children === undefined) say(result.summary);
    for (const course of courses.filter(({ missing }) => missing.delete(hash) && missing.size === 0))
      finish(store, course, done, options);
  };
  const pieces = (tick: Tick): Piece<void>[] =>
    [...units].map(([hash, planned]) => ({
      resource: madeBy(planned.loaded),
      after: planned.parent === undefined ? [] : [adapterFolder(planned.parent.loaded.experiment)],
      run: async () => {
        const { loaded, sets } = complete(planned);
        const result =
          children === undefined
            ? await runExperiment(loaded, store, quiet)
            : await runInProcess({ file: loaded.file, hash: loaded.hash, sets, db }, children);
        end(hash, result);
        tick(done.size, result.summary);
      },
    }));
  try {
    for (const course of courses.filter(({ missing }) => missing.size === 0))
      finish(store, course, done, options);
    await withProgress(
      `${units.size} experiments, ${jobs} at once`,
      units.size,
      quiet || children === undefined,
      (tick) => runPieces(pieces(tick), jobs, () => children?.stop()),
    );
    return documentOf(store, { targets: chosen });
  } catch (error) {
    if (error instanceof UserError && error.code === 'interrupted') {
      throw interrupted(commandOf(options));
    }
    throw error;
  } finally {
    children?.release();
    if (children !== undefined) for (const { summary } of done.values()) say(summary);
    store.close();
  }
}
