/** Tasks as processes of this machine, several at once, one GPU each where there are any. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { availableParallelism, hostname } from 'node:os';
import { UserError } from '../../base/errors.js';
import { runPieces } from '../../base/schedule.js';
import { interrupted } from '../interruption.js';
import { withProgress } from '../progress.js';
import { taskLog, type Sweep } from './folder.js';
import { taskCommand, type Launcher } from './launcher.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGUSR1'] as const;

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
    const running = new Set<ChildProcess>();
    const devices = gpus();
    const slots = Array.from({ length: jobs }, (_, i) => i);
    let stopping = false;
    let failed = 0;
    const stop = (): void => {
      stopping = true;
      running.forEach((child) => child.kill('SIGTERM'));
    };
    const run = (task: number): Promise<void> => {
      if (stopping) return Promise.resolve();
      const slot = slots.shift()!;
      const log = openSync(taskLog(folder, task), 'a');
      const [program, ...args] = taskCommand(folder, task);
      const child = spawn(program!, args, {
        cwd: sweep.cwd,
        // A signal of the terminal reaches tasks through this process alone, once.
        detached: true,
        stdio: ['ignore', log, log],
        env: {
          TF_NUM_INTRAOP_THREADS: `${Math.max(1, Math.floor(availableParallelism() / jobs))}`,
          ...(devices > 0 && { CUDA_VISIBLE_DEVICES: `${slot % devices}` }),
          ...process.env,
        },
      });
      closeSync(log);
      running.add(child);
      return new Promise((done, reject) => {
        child.once('error', reject);
        child.once('exit', (code) => {
          running.delete(child);
          slots.push(slot);
          if (code !== 0) failed++;
          done();
        });
      });
    };
    for (const signal of SIGNALS) process.on(signal, stop);
    try {
      await withProgress(
        `${tasks.length} tasks, ${jobs} at once`,
        Math.max(1, tasks.length),
        quiet,
        (tick) => {
          let ended = 0;
          const pieces = tasks.map((task) => ({
            run: async () => {
              await run(task);
              tick(++ended, sweep.tasks[task]!.name);
            },
          }));
          return runPieces(pieces, jobs, stop);
        },
      );
    } finally {
      for (const signal of SIGNALS) process.off(signal, stop);
    }
    if (stopping) throw interrupted(`kvd sweep retry ${folder}`);
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
