/** A sweep on disk: what it stands for, and of each task how it stands and a results database of its own. */
import { existsSync, mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { UserError } from '../../base/errors.js';
import { fileError, readJson, writeFileAtomic } from '../../base/files.js';
import { hashOf } from '../../base/hash.js';
import { loadChecked } from '../experiments.js';

const sweepSchema = z.object({
  file: z.string(),
  sets: z.array(z.string()),
  launcher: z.string(),
  /** Folder in which kvd was started, and tasks start. */
  cwd: z.string(),
  shards: z.int().min(1),
  tasks: z.array(z.object({ name: z.string(), hash: z.string(), shard: z.int().min(1) })),
  /** What the launcher must know again: a job's number, a process's. */
  started: z.array(z.object({ id: z.string(), tasks: z.array(z.int()) })),
});
export type Sweep = z.output<typeof sweepSchema>;

const stateSchema = z.object({
  status: z.enum(['running', 'finished', 'failed', 'interrupted']),
  /** How often it was begun. */
  attempts: z.int(),
  host: z.string(),
  pid: z.int(),
  at: z.string(),
  error: z.string().nullable(),
});
export type TaskState = z.output<typeof stateSchema>;

export const taskStore = (folder: string, task: number): string => join(folder, 'tasks', `${task}.sqlite`);
export const taskLog = (folder: string, task: number): string => join(folder, 'logs', `${task}.log`);
const stateFile = (folder: string, task: number): string => join(folder, 'tasks', `${task}.json`);

/** Reads what `writeSweep` wrote. */
export function readSweep(folder: string): Sweep {
  const file = join(folder, 'sweep.json');
  if (!existsSync(file)) {
    throw new UserError('no-sweep', 'is no sweep', {
      where: folder,
      hint: 'Start one with `kvd sweep FILE`.',
    });
  }
  const parsed = sweepSchema.safeParse(readJson(file));
  if (!parsed.success) throw new UserError('bad-sweep', 'is not what `kvd sweep` writes', { where: file });
  return parsed.data;
}

export function writeSweep(folder: string, sweep: Sweep): void {
  writeFileAtomic(join(folder, 'sweep.json'), `${JSON.stringify(sweep, null, 2)}\n`);
}

export interface SweepOptions {
  file: string;
  sets: readonly string[];
  launcher: string;
  shards: number;
  output?: string | undefined;
}

/** The sweep of an experiment file, checked; one begun before in the same folder is found again. */
export function openSweep(options: SweepOptions): { folder: string; sweep: Sweep } {
  const { file, sets, launcher, shards } = options;
  const tasks = loadChecked(file, sets).flatMap(({ experiment: { name }, hash }) =>
    Array.from({ length: shards }, (_, i) => ({ name, hash, shard: i + 1 })),
  );
  const name = tasks[0]!.name.replace(/-[0-9a-f]{6}$/, '');
  const folder = resolve(options.output ?? join('runs', `sweep-${name}-${hashOf(tasks).slice(0, 8)}`));
  if (existsSync(join(folder, 'sweep.json'))) {
    const sweep = readSweep(folder);
    if (hashOf(sweep.tasks) !== hashOf(tasks)) {
      throw new UserError('other-sweep', 'holds a sweep of other experiments', {
        where: folder,
        hint: 'Name another folder with --output.',
      });
    }
    return { folder, sweep: { ...sweep, launcher } };
  }
  try {
    for (const part of ['tasks', 'logs']) mkdirSync(join(folder, part), { recursive: true });
  } catch (error) {
    throw fileError(error, folder);
  }
  const sweep = {
    file: resolve(file),
    sets: [...sets],
    launcher,
    cwd: process.cwd(),
    shards,
    tasks,
    started: [],
  };
  writeSweep(folder, sweep);
  return { folder, sweep };
}

/** How a task stands; undefined where it was never begun. */
export function taskState(folder: string, task: number): TaskState | undefined {
  const file = stateFile(folder, task);
  if (!existsSync(file)) return undefined;
  const parsed = stateSchema.safeParse(readJson(file));
  if (!parsed.success) throw new UserError('bad-sweep', 'is not what `kvd sweep` writes', { where: file });
  return parsed.data;
}

/** Notes how a task stands, from the process that runs it. */
export function setTaskState(
  folder: string,
  task: number,
  status: TaskState['status'],
  error: string | null = null,
): void {
  const before = taskState(folder, task)?.attempts ?? 0;
  const state: TaskState = {
    status,
    attempts: status === 'running' ? before + 1 : before,
    host: hostname(),
    pid: process.pid,
    at: new Date().toISOString(),
    error,
  };
  writeFileAtomic(stateFile(folder, task), `${JSON.stringify(state)}\n`);
}

/** Tasks that have not finished. */
export function unfinished(folder: string, sweep: Sweep): number[] {
  return [...sweep.tasks.keys()].filter((task) => taskState(folder, task)?.status !== 'finished');
}
