/**
 * Training under `mpirun`: two ranks at half the batch are one at the whole; a lost rank ends the job.
 * MPIRUN and MPICXX name another MPI's launcher and compiler.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openSafetensors } from '../../src/models/safetensors.js';
import { Store } from '../../src/store/store.js';

const kvd = resolve('bin/run.js');
const found = (program: string): boolean => spawnSync(program, ['--version']).status === 0;
const { MPIRUN: mpirun = 'mpirun', MPICXX: mpicxx = 'mpicxx' } = process.env;
const possible = found(mpirun) && found(mpicxx);
const openMpi = possible && spawnSync(mpirun, ['--version']).stdout.toString().includes('Open MPI');
const ranks = ['-n', '2', ...(openMpi ? ['--allow-run-as-root', '--oversubscribe'] : [])];

function training(steps: number): string[] {
  const sets = [
    `max_steps=${steps}`,
    'eval_steps=100000',
    'eval_limit=2',
    'save_steps=3',
    'micro_batch_size=4',
  ];
  const file = resolve('experiments/nano/table2-quick.yaml');
  return [kvd, 'train', file, ...sets.flatMap((set) => ['--set', `training.${set}`])];
}

/** The last loss that a training stored. */
function lossIn(folder: string): number {
  const store = Store.open(join(folder, 'runs/kvd.sqlite'), { readonly: true });
  const [run, ...more] = store.listRuns();
  expect(more).toEqual([]);
  const { value } = store.metrics(run!.id).findLast(({ name }) => name === 'loss')!;
  store.close();
  return value;
}

function stateIn(folder: string): string | undefined {
  const runs = join(folder, 'runs');
  if (!existsSync(runs)) return undefined;
  return readdirSync(runs)
    .map((name) => join(runs, name, 'state.safetensors'))
    .find((path) => existsSync(path));
}

/** The process of rank 1 below the launcher. */
function rankOne(folder: string): number | undefined {
  return readdirSync('/proc')
    .map(Number)
    .find((pid) => {
      try {
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
        return (
          /(OMPI_COMM_WORLD_RANK|PMI_RANK)=1\0/.test(environment) &&
          environment.includes(`KVD_PLACE=${folder}\0`)
        );
      } catch {
        return false;
      }
    });
}

describe.skipIf(!possible)('two ranks (skipped without mpirun and mpicxx)', () => {
  it('give the losses of one process at the whole batch', () => {
    const setup = spawnSync(process.execPath, [kvd, 'setup', '--mpi', '--force'], { encoding: 'utf8' });
    expect(setup.status, setup.stderr).toBe(0);
    const [alone, together] = [0, 1].map(() => mkdtempSync(join(tmpdir(), 'kvd-mpi-')));
    const options = { encoding: 'utf8', env: { ...process.env, TF_NUM_INTRAOP_THREADS: '1' } } as const;
    const one = spawnSync(process.execPath, training(8), { ...options, cwd: alone! });
    expect(one.status, one.stderr).toBe(0);
    const two = spawnSync(mpirun, [...ranks, process.execPath, ...training(8)], {
      ...options,
      cwd: together!,
    });
    expect(two.status, two.stderr).toBe(0);
    const loss = lossIn(alone!);
    expect(Math.abs(lossIn(together!) - loss)).toBeLessThan(1e-4 * loss);
  });

  it('end with a clear word when one of them is lost, and keep the checkpoint', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kvd-mpi-'));
    const child = spawn(mpirun, [...ranks, process.execPath, ...training(100000)], {
      cwd: folder,
      env: { ...process.env, KVD_PLACE: folder },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => (output += data.toString()));
    const ended = new Promise<number | null>((done) => child.once('close', done));
    while (stateIn(folder) === undefined && child.exitCode === null)
      await new Promise((wake) => setTimeout(wake, 100));
    process.kill(rankOne(folder)!, 'SIGKILL');
    expect(await ended).not.toBe(0);
    expect(output).toMatch(/rank 1|BAD TERMINATION/);
    const state = openSafetensors(stateIn(folder)!);
    expect(JSON.parse(state.metadata.kvd!)).toMatchObject({ step: expect.any(Number) as number });
    state.close();
  });
});
