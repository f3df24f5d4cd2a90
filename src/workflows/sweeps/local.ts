/** Tasks as processes of this machine, several at once, one GPU each where there are any. */
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { hostname } from 'node:os';
import { UserError } from '../../base/errors.js';
import { runPieces } from '../../base/schedule.js';
import { childrenAtOnce } from '../children.js';
import { interrupted } from '../interruption.js';
import { withProgress, type Tick } from '../progress.js';
import { taskLog, type Sweep } from './folder.js';
import { taskCommand, type Launcher } from './launcher.js';

function gpus(): number {
  try {
    return execFileSync('nvidia-smi', ['-L'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      .split('\n')
      .filter((line) => line.startsWith('GPU')).length;
  } catch {
    return 0;
  }
}

/** Number of the launching process where it is of this machine and lives; `HOST:PID` is what it was noted as. */
function livingProcess(id: string): number | undefined {
  const [host, pid] = id.split(':');
  if (host !== hostname()) return undefined;
  try {
    process.kill(Number(pid), 0);
    return Number(pid);
  } catch {
    return undefined;
  }
}

export const local: Launcher = {
  name: 'local',
  summary: 'processes of this machine, --jobs at once',
  reference: 'GNU parallel',
  start: async ({ folder, sweep, tasks, jobs, quiet }, note) => {
    note(`${hostname()}:${process.pid}`);
    const children = childrenAtOnce(jobs);
    const devices = gpus();
    const slots = Array.from({ length: jobs }, (_, i) => i);
    let failed = 0;
    const run = async (task: number): Promise<void> => {
      if (children.stopping()) return;
      const slot = slots.shift()!;
      const log = openSync(taskLog(folder, task), 'a');
      const [program, ...args] = taskCommand(folder, task);
      const child = spawn(program!, args, {
        cwd: sweep.cwd,
        detached: true,
        stdio: ['ignore', log, log],
        env: { ...(devices > 0 && { CUDA_VISIBLE_DEVICES: `${slot % devices}` }), ...children.env },
      });
      closeSync(log);
      const { code } = await children.ended(child);
      slots.push(slot);
      if (code !== 0) failed++;
    };
    const work = (tick: Tick): Promise<void[]> => {
      let ended = 0;
      const pieces = tasks.map((task) => ({
        run: async () => {
          await run(task);
          tick(++ended, sweep.tasks[task]!.name);
        },
      }));
      return runPieces(pieces, jobs, children.stop);
    };
    try {
      await withProgress(`${tasks.length} tasks, ${jobs} at once`, tasks.length, quiet, work);
    } finally {
      children.release();
    }
    if (children.stopping()) throw interrupted(`kvd sweep retry ${folder}`);
    if (failed > 0) {
      throw new UserError('tasks-failed', `${failed} of ${tasks.length} tasks failed`, {
        where: folder,
        hint: `See \`kvd sweep status ${folder}\`; \`kvd sweep retry\` goes on with them.`,
        exitCode: 1,
      });
    }
  },
  alive: (sweep: Sweep) => {
    const last = sweep.started.at(-1);
    const lives = last !== undefined && livingProcess(last.id) !== undefined;
    return Promise.resolve(new Map(lives ? last.tasks.map((task) => [task, 'waiting']) : []));
  },
  cancel: (sweep: Sweep) => {
    const pid = livingProcess(sweep.started.at(-1)?.id ?? '');
    if (pid !== undefined) process.kill(pid, 'SIGTERM');
    return Promise.resolve();
  },
};
