/** Ctrl-C and a batch system's warning: the first saves and stops, a second ends at once. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { Store } from '../../src/store/store.js';

/** A busy machine may take a while to do what takes a fraction of a second on an idle one. */
const SECONDS = 10;

const folder = mkdtempSync(join(tmpdir(), 'kvd-signals-'));
const training = [
  ...['train', resolve('experiments/nano/table2-quick.yaml')],
  ...[
    'training.max_steps=100000',
    'training.save_steps=3',
    'training.eval_limit=4',
    'training.micro_batch_size=2',
  ].flatMap((set) => ['--set', set]),
];

function stateIn(): boolean {
  const runs = join(folder, 'runs');
  if (!existsSync(runs)) return false;
  return readdirSync(runs).some((name) => existsSync(join(runs, name, 'state.safetensors')));
}

/** Starts training, sends `signals` once a checkpoint is there, and waits for its end. */
async function interruptedBy(...signals: NodeJS.Signals[]) {
  const child = spawn(process.execPath, [resolve('bin/run.js'), ...training], {
    cwd: folder,
    env: { ...process.env, CI: 'true' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  child.stderr.on('data', (data: Buffer) => (output += data.toString()));
  const ended = new Promise<{ code: number | null; signal: string | null }>((done) =>
    child.once('close', (code, signal) => done({ code, signal })),
  );
  while (!(stateIn() && output.includes('loss')) && child.exitCode === null)
    await new Promise((wake) => setTimeout(wake, 50));
  const sent = performance.now();
  for (const signal of signals) child.kill(signal);
  const how = await ended;
  return { ...how, seconds: (performance.now() - sent) / 1000, output };
}

function statuses(): string[] {
  const store = Store.open(join(folder, 'runs/kvd.sqlite'), { readonly: true });
  const found = store.listRuns().map(({ status }) => status);
  store.close();
  return found;
}

it.each(['SIGTERM', 'SIGUSR1'] as const)(
  '%s: a checkpoint, the way to go on, and the end',
  async (signal) => {
    const { code, seconds, output } = await interruptedBy(signal);
    expect(code, output).toBe(130);
    expect(output).toContain('Go on with: kvd train');
    expect(seconds).toBeLessThan(SECONDS);
    expect(statuses()).toEqual(['interrupted']);
  },
);

it('SIGINT twice: the end, at once', async () => {
  const { code, signal, seconds } = await interruptedBy('SIGINT', 'SIGINT');
  expect(signal ?? code).toEqual(signal === null ? 130 : 'SIGINT');
  expect(seconds).toBeLessThan(SECONDS);
});
