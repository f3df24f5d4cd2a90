import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
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

/** Starts training and kills it with SIGKILL once its first checkpoint stands. */
async function killInTheMiddle(folder: string): Promise<void> {
  const child = spawn(process.execPath, [bin, ...args], { cwd: folder, env, stdio: 'ignore' });
  await new Promise<void>((done) => {
    const timer = setInterval(() => {
      try {
        stateOf(folder);
        child.kill('SIGKILL');
      } catch {
        // Not yet.
      }
    }, 20);
    child.once('exit', () => {
      clearInterval(timer);
      done();
    });
  });
  expect(child.signalCode).toBe('SIGKILL');
}

it('the same seed gives the same adapter twice, and so does a run that was killed and resumed', async () => {
  const [once, twice, killed] = [prepare(), prepare(), prepare()];
  for (const folder of [once, twice])
    expect(spawnSync(process.execPath, [bin, ...args], { cwd: folder, env }).status).toBe(0);
  expect(adapterOf(twice).equals(adapterOf(once))).toBe(true);
  await killInTheMiddle(killed);
  expect(spawnSync(process.execPath, [bin, ...args], { cwd: killed, env }).status).toBe(0);
  expect(adapterOf(killed).equals(adapterOf(once))).toBe(true);
  expect(stateOf(killed).equals(stateOf(once))).toBe(true);
});
