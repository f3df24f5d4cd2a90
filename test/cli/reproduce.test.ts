/** `kvd reproduce` as a user types it: what is there is reused, what changed is made again, the report needs no run. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'kvd-reproduce-'));

function kvd(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [resolve('bin/run.js'), ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', CI: 'true' },
  });
}

function table5(jobs: string, ...sets: string[]): ReturnType<typeof kvd> {
  const steps = ['max_steps=2', 'eval_steps=2', 'eval_limit=2', 'micro_batch_size=2'];
  const all = [...steps.map((set) => `training.${set}`), 'evaluation.limit=4', ...sets];
  const options = [...all.flatMap((set) => ['--set', set]), '--jobs', jobs, '--output', 'out'];
  return kvd('reproduce', 'table5', '--quick', ...options);
}

it('runs what is missing, reuses what is there, and says which', () => {
  const first = table5('2');
  expect(first.status, first.stderr).toBe(0);
  expect(first.stderr.match(/: adapter trained, evaluation made$/gm)).toHaveLength(6);
  expect(first.stdout).toContain('paper at 20 %');
  for (const ending of ['html', 'md', 'tex', 'csv', 'json'])
    expect(existsSync(join(folder, 'out', `report.${ending}`)), ending).toBe(true);

  const again = table5('2');
  expect(again.stderr.match(/: adapter reused, evaluation reused$/gm)).toHaveLength(6);
  expect(again.stdout).toBe(first.stdout);

  const changed = table5('1', 'training.learning_rate=1.0e-3');
  expect(changed.stderr).toMatch(
    /short-quick .*: adapter trained \(changed since run \w+: training.learning_rate\), evaluation made/,
  );

  const report = kvd('report', '--format', 'json');
  const { sections, sources, made } = JSON.parse(report.stdout) as {
    sections: { id: string }[];
    sources: { config: string }[];
    made: string[];
  };
  expect(sections.map(({ id }) => id)).toEqual(['table5']);
  expect(made[0]).toContain('kvd reproduce table5 --scale nano --quick');
  // Those of the last run alone: six recipes at three ratios.
  expect(sources).toHaveLength(18);
  for (const { config } of sources) expect(config).toContain('learning_rate: 0.001');
});

it('trains adapters that go on from others after these, and finds them again', () => {
  const steps = ['max_steps=1', 'eval_steps=1', 'eval_limit=1', 'micro_batch_size=1'];
  const sets = [
    ...steps.map((set) => `training.${set}`),
    'evaluation.limit=1',
    'evaluation.retention=[0.05]',
  ];
  const reports = (): string =>
    kvd('reproduce', 'reports', '--quick', ...sets.flatMap((set) => ['--set', set]), '--output', 'out')
      .stderr;
  // The general adapter, and two stages of fine-tuning.
  expect(reports().match(/: adapter trained, evaluation made$/gm)).toHaveLength(3);
  expect(reports().match(/: adapter reused, evaluation reused$/gm)).toHaveLength(3);
});

it('refuses what it does not know', () => {
  expect(kvd('reproduce', 'tabel5').stderr).toContain('Did you mean "table5"?');
  const { status, stderr } = kvd('reproduce', 'table5', '--scale', 'pico');
  expect(status).toBe(2);
  expect(stderr).toContain('experiments/pico/short.yaml');
});
