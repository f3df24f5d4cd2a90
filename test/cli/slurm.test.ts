/** `kvd sweep --launcher slurm` on a real Slurm: a controller and two nodes on this machine, where one can be started. */
import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { taskState } from '../../src/workflows/sweeps/folder.js';
import { answersIn, kvdJson, sweepFolder, type SweepTask } from '../helpers/sweeps.js';

const start = resolve('../shared/slurm/start.sh');
const possible = existsSync(start) && process.getuid!() === 0 && spawnSync('slurmctld', ['-V']).status === 0;
/** A job that starts again sooner on the same node is refused: its credential was revoked in the same second. */
const CREDENTIAL_MS = 2000;
const long = process.env.KVD_STRESS !== undefined;

describe.skipIf(!possible)('on Slurm (skipped where none can be started)', () => {
  const place = mkdtempSync(join(tmpdir(), 'kvd-slurm-'));
  const env = { ...process.env, SLURM_CONF: join(place, 'slurm.conf') };
  const slurm = (...args: string[]): string =>
    execFileSync(args[0]!, args.slice(1), { env, encoding: 'utf8' });
  const pause = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

  beforeAll(() => {
    execFileSync(start, [place], { env, stdio: 'ignore' });
    const settings = [
      // Half a minute between SIGTERM and SIGKILL otherwise.
      'KillWait=2',
      // A partition whose jobs take the nodes from those of the other.
      'PreemptType=preempt/partition_prio',
      'PreemptMode=REQUEUE',
      'PartitionName=urgent Nodes=n1,n2 PriorityTier=10 MaxTime=60 State=UP',
    ];
    appendFileSync(env.SLURM_CONF, `${settings.join('\n')}\n`);
    // How jobs are preempted is read at the start alone.
    slurm('scontrol', 'shutdown', 'slurmctld');
    execFileSync('sh', ['-c', 'for i in $(seq 50); do slurmctld && exit; sleep 0.2; done; exit 1'], {
      env,
      stdio: 'ignore',
    });
    slurm('scontrol', 'reconfigure');
  });
  afterAll(() => {
    execFileSync(resolve('../shared/slurm/stop.sh'), [place], { env, stdio: 'ignore' });
  });

  /** A sweep that Slurm runs. */
  function launch(cwd: string) {
    expect(
      kvdJson(cwd, ['sweep', 'e.yaml', '--launcher', 'slurm', '--output', 's'], env).answer.tasks,
    ).toHaveLength(2);
    const folder = join(cwd, 's');
    const log = (task: number): string => readFileSync(join(folder, 'logs', `${task}.log`), 'utf8');
    const jobs = (): string[][] =>
      slurm('squeue', '--noheader', '--array', '--format=%F %K %T %N')
        .trim()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.split(' '));
    const pending = new Map<string, number>();
    /** Waits, and lets no job that was queued again wait for its two minutes. */
    const until = async (what: string, ready: () => boolean): Promise<void> => {
      while (!ready()) {
        for (const task of [0, 1])
          if (taskState(folder, task)?.status === 'failed') throw new Error(log(task));
        const listed = jobs();
        for (const [job, task, phase] of listed) {
          if (phase !== 'PENDING') pending.delete(task!);
          else if (!pending.has(task!)) pending.set(task!, performance.now());
          else if (performance.now() - pending.get(task!)! > CREDENTIAL_MS) {
            spawnSync('scontrol', ['update', `JobId=${job}_${task}`, 'StartTime=now'], { env });
            pending.delete(task!);
          }
        }
        if (listed.length === 0 && !ready()) throw new Error(`no job is left before ${what}`);
        await pause(200);
      }
    };
    return {
      job: jobs()[0]![0]!,
      node: (task: number) => jobs().find(([, id]) => id === `${task}`)![3]!,
      until,
      state: (task: number) => taskState(folder, task),
      stored: (task: number) => answersIn(join(folder, 'tasks', `${task}.sqlite`)).size,
    };
  }

  it('tasks warned, preempted, of a lost node and cancelled go on to what an undisturbed sweep stores', async () => {
    const cwd = sweepFolder(240);
    const { job, node, until, state, stored } = launch(cwd);
    await until('both have begun', () => stored(0) > 0 && stored(1) > 0);
    // From now on the node that is left takes both.
    slurm('scontrol', 'update', 'PartitionName=test', 'OverSubscribe=FORCE:2');
    const lost = node(1);
    process.kill(Number(readFileSync(join(place, `slurmd.${lost}.pid`), 'utf8')), 'SIGKILL');
    slurm('scontrol', 'update', `NodeName=${lost}`, 'State=DOWN', 'Reason=test');
    process.kill(state(1)!.pid, 'SIGKILL');
    // What `sbatch --signal` sends before the time is up.
    slurm('scancel', '--batch', '--signal=USR1', `${job}_0`);
    await until('both were begun again', () => state(0)!.attempts === 2 && state(1)!.attempts === 2);
    // What preemption does.
    slurm('scontrol', 'requeue', `${job}_0`);
    await until('the preempted one was begun again', () => state(0)!.attempts === 3);
    expect(kvdJson(cwd, ['sweep', 'cancel', 's'], env).status).toBe(0);
    while (slurm('squeue', '--noheader').trim() !== '') await pause(200);
    slurm('slurmd', '-N', lost);
    const states = kvdJson(cwd, ['sweep', 'status', 's'], env).answer as unknown as SweepTask[];
    expect(states.map(({ status }) => status)).not.toContain('running');
    expect(kvdJson(cwd, ['sweep', 'retry', 's'], env).status).toBe(0);
    await until('the end', () => [0, 1].every((task) => state(task)!.status === 'finished'));
    const { answer } = kvdJson(cwd, ['sweep', 'collect', 's'], env);
    expect(answer).toMatchObject({ runs: 2, samples: 960, complete: 2 });

    const calm = kvdJson(cwd, ['sweep', 'e.yaml', '--jobs', '2', '--output', 'calm', '--db', 'calm.sqlite']);
    expect(calm.status).toBe(0);
    expect(answersIn(join(cwd, 'runs/kvd.sqlite'))).toEqual(answersIn(join(cwd, 'calm.sqlite')));
  });

  it('tasks whose nodes a partition of higher priority takes are queued again, and evaluate the rest', async () => {
    const cwd = sweepFolder(240);
    const { until, state, stored } = launch(cwd);
    await until('both have begun', () => stored(0) > 0 && stored(1) > 0);
    slurm('sbatch', '--partition=urgent', '--nodes=2', '--output=/dev/null', '--wrap=sleep 2');
    await until('both were begun again', () => [0, 1].every((task) => state(task)!.attempts >= 2));
    await until('the end', () => [0, 1].every((task) => state(task)!.status === 'finished'));
    const { answer } = kvdJson(cwd, ['sweep', 'collect', 's'], env);
    expect(answer).toMatchObject({ runs: 2, samples: 960, complete: 2 });
  });

  it.runIf(long)(
    "tasks whose time is up save at Slurm's warning and are queued again, to the end",
    async () => {
      const cwd = sweepFolder(3000, '0:01:00', 50);
      const { until, state } = launch(cwd);
      await until('the end', () => [0, 1].every((task) => state(task)?.status === 'finished'));
      expect(state(0)!.attempts).toBeGreaterThan(1);
      expect(kvdJson(cwd, ['sweep', 'collect', 's'], env).answer).toMatchObject({
        samples: 12000,
        complete: 2,
      });
    },
  );
});
