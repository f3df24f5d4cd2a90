/** `kvd setup` with stand-ins for pip and node-gyp: what it does when things go wrong, without 270 MB. */
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { setupStandIns } from '../helpers/setup.js';

let folder: string;
let engines: string;
let log: string;
let standIns: NodeJS.ProcessEnv;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvd-setup-'));
  engines = join(folder, 'cache', 'kvd', 'engine');
  log = join(folder, 'log');
  standIns = setupStandIns(folder);
});

function environment(extra: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...standIns, ...extra };
}

const command = [resolve('bin/run.js'), 'setup', '--json'];

function setup(extra: NodeJS.ProcessEnv = {}, ...flags: string[]) {
  return spawnSync(process.execPath, [...command, ...flags], { encoding: 'utf8', env: environment(extra) });
}

function setupInBackground(extra: NodeJS.ProcessEnv) {
  const child = spawn(process.execPath, command, { env: environment(extra) });
  let stdout = '';
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
  const ended = new Promise<{ code: number | null; stdout: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, stdout })),
  );
  return { child, ended };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}

const downloads = (): number => readFileSync(log, 'utf8').split('download').length - 1;
const installed = (stdout: string): boolean => (JSON.parse(stdout) as { installed: boolean }).installed;

function expectOnlyAFinishedEngine(): void {
  const names = readdirSync(engines);
  expect(names).toHaveLength(1);
  const engine = join(engines, names[0]!);
  expect(existsSync(join(engine, 'lib', 'napi-v8', 'tfjs_binding.node'))).toBe(true);
  expect(existsSync(join(engine, 'deps', 'lib', 'libtensorflow.so.2'))).toBe(true);
  for (const spent of ['wheels', 'build', 'site/tensorflow/include']) {
    expect(existsSync(join(engine, spent))).toBe(false);
  }
}

describe('kvd setup', () => {
  it('installs once, and again only with --force', () => {
    expect(installed(setup().stdout)).toBe(true);
    expectOnlyAFinishedEngine();
    expect(installed(setup().stdout)).toBe(false);
    expect(downloads()).toBe(1);
    expect(installed(setup({}, '--force').stdout)).toBe(true);
    expect(downloads()).toBe(2);
    expectOnlyAFinishedEngine();
  });

  it('twice at once: the second waits and uses what the first made', async () => {
    const both = [setupInBackground({ FAKE_SECONDS: '1' }), setupInBackground({ FAKE_SECONDS: '1' })];
    const results = await Promise.all(both.map(({ ended }) => ended));
    expect(results.map(({ code }) => code)).toEqual([0, 0]);
    expect(results.map(({ stdout }) => installed(stdout)).sort()).toEqual([false, true]);
    expect(downloads()).toBe(1);
    expectOnlyAFinishedEngine();
  });

  it('goes on after it was killed in the middle', async () => {
    const { child, ended } = setupInBackground({ FAKE_SECONDS: '2' });
    await until(() => downloads() === 1);
    child.kill('SIGKILL');
    await ended;
    expect(readdirSync(engines).some((name) => name.endsWith('.lock'))).toBe(true);
    const again = setup();
    expect(again.status).toBe(0);
    expect(installed(again.stdout)).toBe(true);
    expectOnlyAFinishedEngine();
  });

  it('without pip: says what to install, and leaves nothing behind', () => {
    const { status, stdout } = setup({ PATH: join(folder, 'nothing') });
    expect(status).toBe(1);
    expect(stdout).toContain('"code": "no-pip"');
    expect(readdirSync(engines)).toEqual([]);
  });

  it.each([
    ['download', 'download-failed', 'no space left'],
    ['compile', 'compile-failed', 'g++'],
  ])('when the %s fails: says why, and leaves nothing behind', (step, code, words) => {
    const { status, stdout } = setup({ FAKE_FAIL: step });
    expect(status).toBe(1);
    expect(stdout).toContain(`"code": "${code}"`);
    expect(stdout).toContain(words);
    expect(readdirSync(engines)).toEqual([]);
  });

  it.each([
    ['Tesla T4, 470.82.01, 15360', 'driver 470.82.01 is too old: CUDA 12 needs 525'],
    ['NVIDIA T400, 550.54.15, 2048', '2.1 GB of GPU memory are too few'],
  ])('--gpu, and doctor, on a machine with %s: say so, before anything is fetched', (gpu, words) => {
    const smi = join(folder, 'bin', 'nvidia-smi');
    writeFileSync(smi, `#!/bin/sh\necho '${gpu}'\n`);
    chmodSync(smi, 0o755);
    const kvd = (name: string, ...flags: string[]) =>
      spawnSync(process.execPath, [resolve('bin/run.js'), name, ...flags], {
        encoding: 'utf8',
        env: environment({ FAKE_FAIL: 'download' }),
      });
    const { status, stderr } = kvd('setup', '--gpu');
    expect(status).toBe(1);
    expect(stderr).toContain(words);
    expect(stderr.indexOf(words)).toBeLessThan(stderr.indexOf('no space left'));
    expect(kvd('doctor').stdout).toContain(`problem  GPU (needed for kvd setup --gpu only): ${words}`);
  });

  it('where the cache folder cannot be made: names it', () => {
    writeFileSync(join(folder, 'file'), '');
    const { status, stdout } = setup({ XDG_CACHE_HOME: join(folder, 'file') });
    expect(status).toBe(2);
    expect(stdout).toContain(join(folder, 'file', 'kvd'));
  });

  const pip = spawnSync('python3', ['-m', 'pip', '--version']).status === 0;
  it.runIf(pip)('refuses a wheel whose hash is not the pinned one', () => {
    const wheels = join(folder, 'wheels');
    mkdirSync(wheels);
    writeFileSync(
      join(wheels, 'tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl'),
      'tampered with',
    );
    const { status, stdout } = setup({
      PATH: process.env.PATH,
      PIP_NO_INDEX: '1',
      PIP_FIND_LINKS: wheels,
    });
    expect(status).toBe(1);
    expect(stdout).toContain('"code": "download-failed"');
    expect(stdout.toLowerCase()).toContain('expected sha256 2b847d21');
    expect(readdirSync(engines)).toEqual([]);
  });
});
