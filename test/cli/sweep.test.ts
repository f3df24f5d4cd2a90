/** `kvd sweep`: here, and on a real Slurm (controller and two nodes on this machine) where one can be started. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launcherSchema, loadLauncher } from '../../src/experiment/launcher.js';
import { Store } from '../../src/store/store.js';
import { taskState } from '../../src/workflows/sweeps/folder.js';
import { arrayOf, batchScript } from '../../src/workflows/sweeps/slurm.js';

const EXPERIMENT = `name: small
model: { name_or_path: llama-small }
evaluation: { task: nano-qa, methods: [full, h2i], retention: 0.5, limit: LIMIT, batch_size: 4, max_new_tokens: 8, intrinsic: false }
sweep: { seed: [1, 2] }
launcher:
  slurm: { partition: test, cpus: 1, memory: 1500M, time: "0:05:00", warning_seconds: 60 }
`;

function folderWith(limit: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'kvd-sweep-'));
  writeFileSync(join(folder, 'e.yaml'), EXPERIMENT.replace('LIMIT', `${limit}`));
  return folder;
}

interface Answer {
  folder: string;
  tasks: { task: number; status: string; attempts: number }[];
  collected?: { runs: number; samples: number; complete: number };
}

function kvd(cwd: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  const run = spawnSync(process.execPath, [resolve('bin/run.js'), ...args, '--json'], {
    cwd,
    env,
    encoding: 'utf8',
  });
  if (run.stdout === '') throw new Error(run.stderr);
  return { status: run.status, answer: JSON.parse(run.stdout) as Answer };
}

/** Samples of each run in a database. */
function counts(path: string): number[] {
  const store = Store.open(path, { readonly: true });
  const found = store.cellSummaries().map(({ n }) => n);
  expect(store.listRuns().map(({ status }) => status)).toEqual(store.listRuns().map(() => 'finished'));
  store.close();
  return found;
}

describe('here', () => {
  it('runs experiments in halves, side by side; what failed goes on, and gathering twice does no harm', () => {
    const cwd = folderWith(8);
    const args = ['sweep', 'e.yaml', '--jobs', '2', '--shards', '2', '--output', 's'];
    // The database of the first task is none.
    execFileSync('mkdir', ['-p', join(cwd, 's/tasks')]);
    writeFileSync(join(cwd, 's/tasks/0.sqlite'), 'no database'.repeat(1000));
    const first = kvd(cwd, args);
    expect(first.status).toBe(1);
    const states = kvd(cwd, ['sweep', 'status', 's']).answer as unknown as Answer['tasks'];
    expect(states.map(({ status }) => status)).toEqual(['failed', 'finished', 'finished', 'finished']);
    execFileSync('rm', [join(cwd, 's/tasks/0.sqlite')]);
    const again = kvd(cwd, args);
    expect(again.status, JSON.stringify(again.answer)).toBe(0);
    expect(again.answer.tasks.map(({ attempts }) => attempts)).toEqual([2, 1, 1, 1]);
    expect(again.answer.collected).toMatchObject({ runs: 2, samples: 32, complete: 2 });
    expect(counts(join(cwd, 'runs/kvd.sqlite'))).toEqual([8, 8, 8, 8]);
    expect(kvd(cwd, ['sweep', 'collect', 's']).answer).toMatchObject({ runs: 0, samples: 0, complete: 2 });
  });

  it('asks Slurm for what the file says, and nothing that a value could smuggle in', () => {
    expect(arrayOf([5, 0, 1, 2, 9])).toBe('0-2,5,9');
    const options = loadLauncher(join(folderWith(1), 'e.yaml'));
    const task = { name: 'small', hash: 'h', shard: 1 };
    const sweep = {
      file: 'e.yaml',
      sets: [],
      launcher: 'slurm',
      cwd: '/',
      shards: 1,
      tasks: [task],
      started: [],
    };
    const script = batchScript({ folder: "/a b/it's", sweep, tasks: [0], options, jobs: 1, quiet: true });
    const directives = [
      'array=0',
      'requeue',
      'signal=B:USR1@60',
      'partition=test',
      'mem=1500M',
      'time=0:05:00',
    ];
    for (const directive of directives) expect(script).toContain(`#SBATCH --${directive}\n`);
    expect(script).toContain(`'/a b/it'\\''s' "$SLURM_ARRAY_TASK_ID" &\n`);
    for (const partition of ['a b', 'a\n#SBATCH --uid=0', '$(id)', '']) {
      expect(launcherSchema.safeParse({ slurm: { partition } }).success, partition).toBe(false);
    }
  });
});

const start = resolve('../shared/slurm/start.sh');
const possible =
  process.env.KVD_STRESS !== undefined &&
  existsSync(start) &&
  process.getuid!() === 0 &&
  spawnSync('slurmctld', ['-V']).status === 0;

describe.skipIf(!possible)('on Slurm (with KVD_STRESS, where one can be started: it takes minutes)', () => {
  const place = mkdtempSync(join(tmpdir(), 'kvd-slurm-'));
  const env = { ...process.env, SLURM_CONF: join(place, 'slurm.conf') };
  const slurm = (...args: string[]): string =>
    execFileSync(args[0]!, args.slice(1), { env, encoding: 'utf8' });
  const pause = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

  beforeAll(() => {
    execFileSync(start, [place], { env, stdio: 'ignore' });
  });
  afterAll(() => {
    execFileSync(resolve('../shared/slurm/stop.sh'), [place], { env, stdio: 'ignore' });
  });

  it('tasks of a node that is lost run again elsewhere and go on; nothing is missing or twice', async () => {
    const cwd = folderWith(200);
    const { answer } = kvd(cwd, ['sweep', 'e.yaml', '--launcher', 'slurm', '--output', 's'], env);
    expect(answer.tasks).toHaveLength(2);
    const job = slurm('squeue', '--noheader', '--format=%F').split('\n')[0]!.trim();
    const stored = (task: number): number => {
      const file = join(cwd, `s/tasks/${task}.sqlite`);
      if (!existsSync(file)) return 0;
      const store = Store.open(file, { readonly: true });
      const n = store.cellSummaries().reduce((sum, cell) => sum + cell.n, 0);
      store.close();
      return n;
    };
    while (stored(0) === 0) await pause(200);
    const [node] = slurm('squeue', '--noheader', '--array', '--format=%K %N')
      .split('\n')
      .filter((line) => line.startsWith('0 '));
    const name = node!.split(' ')[1]!;
    slurm('scontrol', 'update', `NodeName=${name}`, 'State=DOWN', 'Reason=test');
    slurm('scontrol', 'update', `NodeName=${name}`, 'State=RESUME');
    const states = (): (string | undefined)[] =>
      [0, 1].map((task) => taskState(join(cwd, 's'), task)?.status);
    while (states().some((status) => status !== 'finished')) {
      const queued = slurm('squeue', '--noheader').trim() !== '';
      if (states().includes('failed') || (!queued && states().some((status) => status !== 'finished')))
        throw new Error(readFileSync(join(cwd, 's/logs/0.log'), 'utf8'));
      // Slurm lets a job that it requeued wait for two minutes.
      spawnSync('scontrol', ['update', `JobId=${job}`, 'StartTime=now'], { env });
      await pause(1000);
    }
    expect(taskState(join(cwd, 's'), 0)!.attempts).toBeGreaterThan(1);
    expect(kvd(cwd, ['sweep', 'collect', 's'], env).answer).toMatchObject({
      runs: 2,
      samples: 800,
      complete: 2,
    });
    expect(counts(join(cwd, 'runs/kvd.sqlite'))).toEqual([200, 200, 200, 200]);
  });
});
