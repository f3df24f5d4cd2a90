/** A small sweep of two evaluations, and `kvd sweep` as a user types it. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Store } from '../../src/store/store.js';

const experiment = (limit: number, time: string, warning: number): string => `name: small
model: { name_or_path: llama-small }
evaluation: { task: nano-qa, methods: [full, h2i], retention: 0.5, limit: ${limit}, batch_size: 4, max_new_tokens: 8, intrinsic: false }
sweep: { seed: [1, 2] }
launcher:
  slurm: { partition: test, cpus: 1, memory: 1500M, time: "${time}", warning_seconds: ${warning} }
`;

/** A folder with the sweep in `e.yaml`: `limit` questions, two methods, two seeds. */
export function sweepFolder(limit: number, time = '0:05:00', warning = 60): string {
  const folder = mkdtempSync(join(tmpdir(), 'kvd-sweep-'));
  writeFileSync(join(folder, 'e.yaml'), experiment(limit, time, warning));
  return folder;
}

export interface SweepTask {
  task: number;
  status: string;
  attempts: number;
}

export interface SweepAnswer {
  folder: string;
  tasks: SweepTask[];
  collected?: { runs: number; samples: number; complete: number };
}

/** Runs kvd with `--json` and reads its answer. */
export function kvdJson(
  cwd: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): { status: number | null; answer: SweepAnswer } {
  const run = spawnSync(process.execPath, [resolve('bin/run.js'), ...args, '--json'], {
    cwd,
    env,
    encoding: 'utf8',
  });
  if (run.stdout === '') throw new Error(run.stderr);
  return { status: run.status, answer: JSON.parse(run.stdout) as SweepAnswer };
}

/** What a database holds of each sample, by evaluation and sample; nothing where there is none yet. */
export function answersIn(database: string): Map<string, string> {
  if (!existsSync(database)) return new Map();
  const store = Store.open(database, { readonly: true });
  const found = new Map<string, string>();
  store.withRecords(undefined, (records) => {
    let evaluation = '';
    for (const record of records) {
      if ('run' in record) evaluation = record.run.config_hash;
      if ('cell' in record) evaluation = `${evaluation.split(' ')[0]} ${record.cell.method}`;
      if ('sample' in record) found.set(`${evaluation} ${record.sample.sample_id}`, record.sample.output);
    }
  });
  store.close();
  return found;
}
