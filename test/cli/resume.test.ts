import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it } from 'vitest';

const bin = resolve('bin/run.js');
const steps = 12;
const args = [
  'train',
  'e.yaml',
  ...[
    `training.max_steps=${steps}`,
    'training.save_steps=3',
    'training.eval_steps=6',
    'training.eval_limit=10',
    'training.micro_batch_size=4',
  ].flatMap((set) => ['--set', set]),
];
const env = { ...process.env, NO_COLOR: '1', CI: 'true' };

function prepare(): string {
  const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
  spawnSync(process.execPath, [bin, 'init', 'e.yaml'], { cwd: folder, env });
  return folder;
}

function adapterOf(folder: string): Buffer {
  const [training] = readdirSync(join(folder, 'runs')).filter((name) => name.startsWith('train-'));
  return readFileSync(join(folder, 'runs', training!, 'adapter', 'adapter_model.safetensors'));
}

function stateOf(folder: string): Buffer {
  const [training] = readdirSync(join(folder, 'runs')).filter((name) => name.startsWith('train-'));
  return readFileSync(join(folder, 'runs', training!, 'state.safetensors'));
}

/** Starts a command and kills it with SIGKILL once `ready` holds. */
async function killWhen(folder: string, command: readonly string[], ready: () => boolean): Promise<void> {
  const child = spawn(process.execPath, [bin, ...command], { cwd: folder, env, stdio: 'ignore' });
  await new Promise<void>((done) => {
    const timer = setInterval(() => {
      try {
        if (ready()) child.kill('SIGKILL');
      } catch {
        // Nothing is written yet.
      }
    }, 20);
    child.once('exit', () => {
      clearInterval(timer);
      done();
    });
  });
  expect(child.signalCode).toBe('SIGKILL');
}

interface StoredSample {
  method: string;
  sample: string;
  output: string;
  metrics: string;
}

function storedSamples(folder: string): StoredSample[] {
  const database = new Database(join(folder, 'runs', 'kvd.sqlite'), { readonly: true });
  try {
    const query = `SELECT method || ' ' || budget_label AS method, sample_id AS sample, output, samples.metrics AS metrics
      FROM samples JOIN cells ON cells.id = cell_id ORDER BY method, sample`;
    return database.prepare(query).all() as StoredSample[];
  } finally {
    database.close();
  }
}

it('the same seed gives the same adapter twice, and so does a run that was killed and resumed', async () => {
  const [once, twice, killed] = [prepare(), prepare(), prepare()];
  for (const folder of [once, twice])
    expect(spawnSync(process.execPath, [bin, ...args], { cwd: folder, env }).status).toBe(0);
  expect(adapterOf(twice).equals(adapterOf(once))).toBe(true);
  await killWhen(killed, args, () => stateOf(killed).length > 0);
  expect(spawnSync(process.execPath, [bin, ...args], { cwd: killed, env }).status).toBe(0);
  expect(adapterOf(killed).equals(adapterOf(once))).toBe(true);
  expect(stateOf(killed).equals(stateOf(once))).toBe(true);
});

it('an evaluation that was killed goes on where it stopped, to the same numbers', async () => {
  const [whole, killed] = [prepare(), prepare()];
  const evaluation = [
    ...['eval', '--task', 'nano-qa', '--method', 'full', '--method', 'h2i', '--retention', '0.5'],
    ...['--limit', '200'],
  ];
  expect(spawnSync(process.execPath, [bin, ...evaluation], { cwd: whole, env }).status).toBe(0);
  await killWhen(killed, evaluation, () => storedSamples(killed).length > 0);
  const before = storedSamples(killed);
  const wanted = storedSamples(whole);
  expect(before.length).toBeLessThan(wanted.length);
  expect(spawnSync(process.execPath, [bin, ...evaluation], { cwd: killed, env }).status).toBe(0);
  const resumed = storedSamples(killed);
  const text = ({ method, sample, output }: StoredSample): string => `${method} ${sample} ${output}`;
  expect(resumed.map(text)).toEqual(wanted.map(text));
  resumed.forEach(({ metrics }, i) => {
    const ours = JSON.parse(metrics) as Record<string, number>;
    const theirs = JSON.parse(wanted[i]!.metrics) as Record<string, number>;
    expect(ours).toEqual(theirs);
  });
  const runs = spawnSync(process.execPath, [bin, 'runs', 'list', '--json'], { cwd: killed, env });
  expect(JSON.parse(runs.stdout.toString()) as unknown[]).toHaveLength(1);
});
