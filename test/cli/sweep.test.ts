/** `kvd sweep` on this machine, and what it asks of Slurm; slurm.test.ts has a real one. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { launcherSchema, loadLauncher } from '../../src/experiment/launcher.js';
import { Store } from '../../src/store/store.js';
import { arrayOf, batchScript } from '../../src/workflows/sweeps/slurm.js';
import { kvdJson, sweepFolder, type SweepTask } from '../helpers/sweeps.js';

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
    const cwd = sweepFolder(8);
    const args = ['sweep', 'e.yaml', '--jobs', '2', '--shards', '2', '--output', 's'];
    // The database of the first task is none.
    execFileSync('mkdir', ['-p', join(cwd, 's/tasks')]);
    writeFileSync(join(cwd, 's/tasks/0.sqlite'), 'no database'.repeat(1000));
    const first = kvdJson(cwd, args);
    expect(first.status).toBe(1);
    const states = kvdJson(cwd, ['sweep', 'status', 's']).answer as unknown as SweepTask[];
    expect(states.map(({ status }) => status)).toEqual(['failed', 'finished', 'finished', 'finished']);
    execFileSync('rm', [join(cwd, 's/tasks/0.sqlite')]);
    const again = kvdJson(cwd, args);
    expect(again.status, JSON.stringify(again.answer)).toBe(0);
    expect(again.answer.tasks.map(({ attempts }) => attempts)).toEqual([2, 1, 1, 1]);
    expect(again.answer.collected).toMatchObject({ runs: 2, samples: 32, complete: 2 });
    expect(counts(join(cwd, 'runs/kvd.sqlite'))).toEqual([8, 8, 8, 8]);
    expect(kvdJson(cwd, ['sweep', 'collect', 's']).answer).toMatchObject({
      runs: 0,
      samples: 0,
      complete: 2,
    });
  });

  it('asks Slurm for what the file says, and nothing that a value could smuggle in', () => {
    expect(arrayOf([5, 0, 1, 2, 9])).toBe('0-2,5,9');
    const options = loadLauncher(join(sweepFolder(1), 'e.yaml'));
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
