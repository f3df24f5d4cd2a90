/** `kvd sweep`: an experiment's whole matrix as tasks, run side by side, watched, gone on with and gathered. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { UserError } from '../base/errors.js';
import { loadLauncher } from '../experiment/launcher.js';
import type { Table } from '../reports/table.js';
import { writers } from '../reports/writers/index.js';
import { Store, type Merged } from '../store/store.js';
import { completeEvaluation } from './evaluate.js';
import { loadChecked } from './experiments.js';
import { launchers } from './sweeps/index.js';
import {
  openSweep,
  readSweep,
  taskState,
  taskStore,
  unfinished,
  writeSweep,
  type Sweep,
  type SweepOptions,
} from './sweeps/folder.js';

export interface TaskRow {
  task: number;
  name: string;
  shard: string;
  /** Of the task, or `waiting`, or what the launcher says; `lost` where it was running and no longer is. */
  status: string;
  attempts: number;
  error: string | null;
}

async function rowsOf(folder: string, sweep: Sweep): Promise<TaskRow[]> {
  const alive = await launchers.get(sweep.launcher).alive(sweep);
  return sweep.tasks.map(({ name, shard }, task) => {
    const state = taskState(folder, task);
    const living = alive.get(task);
    const begun = state?.status === 'running' ? (living === undefined ? 'lost' : 'running') : state?.status;
    return {
      task,
      name,
      shard: `${shard}/${sweep.shards}`,
      status:
        state?.status === 'finished'
          ? 'finished'
          : state?.status === 'running'
            ? begun!
            : (living ?? begun ?? 'not begun'),
      attempts: state?.attempts ?? 0,
      error: state?.error ?? null,
    };
  });
}

async function launch(folder: string, sweep: Sweep, jobs: number, quiet: boolean): Promise<void> {
  const launcher = launchers.get(sweep.launcher);
  const alive = await launcher.alive(sweep);
  const tasks = unfinished(folder, sweep).filter((task) => !alive.has(task));
  if (tasks.length === 0) return;
  const options = loadLauncher(sweep.file, sweep.sets);
  await launcher.start({ folder, sweep, tasks, options, jobs, quiet }, (id) =>
    writeSweep(folder, { ...sweep, started: [...sweep.started, { id, tasks }] }),
  );
}

/** Starts a sweep, or what is left of it. @returns its folder */
export async function startSweep(
  options: SweepOptions & { jobs: number; quiet: boolean },
): Promise<{ folder: string; tasks: TaskRow[] }> {
  launchers.get(options.launcher);
  const { folder, sweep } = openSweep(options);
  await launch(folder, sweep, options.jobs, options.quiet);
  return { folder, tasks: await rowsOf(folder, readSweep(folder)) };
}

/** Starts again all tasks that neither finished nor wait nor run. */
export async function retrySweep(
  path: string,
  options: { jobs: number; quiet: boolean },
): Promise<{ folder: string; tasks: TaskRow[] }> {
  const folder = resolve(path);
  await launch(folder, readSweep(folder), options.jobs, options.quiet);
  return { folder, tasks: await rowsOf(folder, readSweep(folder)) };
}

export async function sweepStatus(path: string): Promise<TaskRow[]> {
  const folder = resolve(path);
  return rowsOf(folder, readSweep(folder));
}

export async function cancelSweep(path: string): Promise<void> {
  const sweep = readSweep(resolve(path));
  await launchers.get(sweep.launcher).cancel(sweep);
}

/** Gathers what tasks that do not run have stored into one database; doing it again changes nothing. */
export async function collectSweep(
  path: string,
  db: string,
): Promise<Merged & { complete: number; runs: number }> {
  const folder = resolve(path);
  const sweep = readSweep(folder);
  const rows = await rowsOf(folder, sweep);
  const store = Store.open(db);
  try {
    const sum: Merged = { runs: 0, metrics: 0, samples: 0 };
    for (const { task, status } of rows) {
      const file = taskStore(folder, task);
      if (status === 'running' || !existsSync(file)) continue;
      const part = Store.open(file, { readonly: true });
      try {
        const merged = part.withRecords(undefined, (records) => store.merge(records));
        for (const key of ['runs', 'metrics', 'samples'] as const) sum[key] += merged[key];
      } finally {
        part.close();
      }
    }
    const done = new Set(rows.filter(({ status }) => status === 'finished').map(({ name }) => name));
    const complete = loadChecked(sweep.file, sweep.sets).filter(
      (loaded) =>
        done.has(loaded.experiment.name) &&
        (loaded.experiment.evaluation === undefined || completeEvaluation(loaded, store)),
    );
    return { ...sum, complete: complete.length };
  } finally {
    store.close();
  }
}

/** The tasks as a table. */
export function sweepTable(folder: string, rows: readonly TaskRow[]): string {
  if (rows.length === 0) throw new UserError('no-sweep', 'has no tasks', { where: folder });
  const counts = new Map<string, number>();
  for (const { status } of rows) counts.set(status, (counts.get(status) ?? 0) + 1);
  const table: Table = {
    title: `${folder}: ${[...counts].map(([status, n]) => `${n} ${status}`).join(', ')}`,
    columns: ['task', 'name', 'shard', 'status', 'attempts', 'error'].map((key) => ({
      key,
      label: key,
      align: 'left',
    })),
    rows: rows.map((row) => ({
      ...row,
      task: `${row.task}`,
      attempts: `${row.attempts}`,
      error: row.error ?? '',
    })),
    notes: [],
  };
  return writers.get('terminal').write(table);
}
