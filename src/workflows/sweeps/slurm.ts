/** Tasks as an array of jobs of Slurm, queued again when their time is up, a node is lost or they are preempted. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { errnoOf, UserError } from '../../base/errors.js';
import { writeFileAtomic } from '../../base/files.js';
import { taskCommand, type Launch, type Launcher } from './launcher.js';

const run = promisify(execFile);

async function slurm(program: string, args: readonly string[]): Promise<string> {
  try {
    return (await run(program, [...args])).stdout;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') {
      throw new UserError('no-slurm', `${program} is not here`, {
        hint: 'Run this where Slurm jobs are submitted, or use --launcher local.',
      });
    }
    const said = (error as { stderr?: string }).stderr?.trim() ?? String(error);
    throw new UserError('slurm', `${program} says: ${said}`, { exitCode: 1, cause: error });
  }
}

/** One word of a shell command. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Commas and ranges, as `sbatch --array` takes numbers. */
export function arrayOf(tasks: readonly number[]): string {
  const ranges: [first: number, last: number][] = [];
  for (const task of [...tasks].sort((a, b) => a - b)) {
    const range = ranges.at(-1);
    if (range !== undefined && range[1] === task - 1) range[1] = task;
    else ranges.push([task, task]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}

/** The batch script of an array of tasks. */
export function batchScript({ folder, sweep, tasks, options: { slurm: wanted } }: Launch): string {
  const optional: [string, string | number | undefined][] = [
    ['partition', wanted.partition],
    ['account', wanted.account],
    ['gpus', wanted.gpus],
    ['cpus-per-task', wanted.cpus],
    ['time', wanted.time],
    ['mem', wanted.memory],
  ];
  const directives = [
    `job-name=kvd-${sweep.tasks[0]!.name}`,
    `array=${arrayOf(tasks)}${wanted.at_once === undefined ? '' : `%${wanted.at_once}`}`,
    'requeue',
    'open-mode=append',
    `signal=B:USR1@${wanted.warning_seconds}`,
    ...optional.flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`])),
  ];
  const command = taskCommand(folder, '"$SLURM_ARRAY_TASK_ID"').map((word) =>
    word.startsWith('"') ? word : quoted(word),
  );
  return `#!/bin/bash
${directives.map((line) => `#SBATCH --${line}`).join('\n')}
# The time is up soon (USR1): the task saves, and is queued again.
# Preempted or cancelled (TERM): it saves; Slurm itself queues it again, or ends it.
trap 'warned=1; kill -TERM "$task" 2>/dev/null' USR1
trap 'ended=1; kill -TERM "$task" 2>/dev/null' TERM
${command.join(' ')} &
task=$!
while kill -0 "$task" 2>/dev/null; do wait "$task"; code=$?; done
if [ -n "$ended" ]; then sleep 60; fi
if [ -n "$warned" ] && { [ "$code" = 130 ] || [ "$code" = 143 ]; }; then scontrol requeue "$SLURM_JOB_ID" && sleep 60; fi
exit "$code"
`;
}

export const slurmLauncher: Launcher = {
  name: 'slurm',
  summary: "an array of Slurm jobs, with the resources of the file's launcher section",
  reference: 'https://slurm.schedmd.com/job_array.html',
  start: async (launch, note) => {
    const script = join(launch.folder, 'array.sh');
    writeFileAtomic(script, batchScript(launch));
    const logs = join(launch.folder, 'logs', '%a.log');
    const args = ['--parsable', `--chdir=${launch.sweep.cwd}`, `--output=${logs}`, script];
    note((await slurm('sbatch', args)).trim().split(';')[0]!);
  },
  alive: async ({ started }) => {
    if (started.length === 0) return new Map();
    const ids = started.map(({ id }) => id).join(',');
    // A job that Slurm has forgotten is an error to squeue when it is the only one asked for.
    const listed = await slurm('squeue', ['--me', '--noheader', '--array', '--format=%F %K %T']);
    const ours = listed.split('\n').map((line) => line.trim().split(/\s+/));
    return new Map(
      ours.flatMap(([job, task, state]) =>
        ids.split(',').includes(job!) && state !== undefined
          ? [[Number(task), state.toLowerCase()] as const]
          : [],
      ),
    );
  },
  cancel: async ({ started }) => {
    if (started.length > 0)
      await slurm(
        'scancel',
        started.map(({ id }) => id),
      );
  },
};
