/** `kvd models pull` and what follows, as a user types it, against the stand-in hub. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { inspectModel, type ModelInspection } from '../../src/workflows/inspect-model.js';
import { startHub, type StandInHub } from '../helpers/hub.js';

const shipped = resolve('models/nano/llama-small');
const names = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'];
const home = mkdtempSync(join(tmpdir(), 'kvd-hf-'));
let hub: StandInHub;

beforeAll(async () => {
  const files = Object.fromEntries(names.map((name) => [name, readFileSync(join(shipped, name))]));
  hub = await startHub({
    'org/small': { files: { ...files, 'README.md': '---\nlicense: apache-2.0\n---\n' } },
    'org/gated': { files, gatedFor: 'somebody' },
  });
});
afterAll(() => hub.close());

async function kvd(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const env = { ...process.env, ...hub.env(home), NO_COLOR: '1', CI: 'true' };
  return new Promise((done) => {
    execFile(
      process.execPath,
      [resolve('bin/run.js'), ...args],
      { cwd: home, env },
      (error, stdout, stderr) => done({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

it('a model by its name: not there, pulled, looked at, checked, removed', async () => {
  const missing = await kvd('eval', '--task', 'nano-qa', '--model', 'org/small');
  expect(missing.stderr).toContain('kvd models pull org/small');
  expect(missing.stderr).not.toMatch(/\n\s+at /);
  expect(missing.status).toBe(2);

  hub.faults = { cutAfter: (request) => (request === 0 ? 1000 : undefined) };
  const pulled = await kvd('models', 'pull', 'org/small');
  expect(pulled.stderr).toMatch(/Pulling org\/small \(5 files, .* MB\)/);
  expect(pulled.stderr).not.toMatch(/rror/);
  expect(pulled.status).toBe(0);

  const { stdout } = await kvd('models', 'inspect', 'org/small', '--json');
  const found = JSON.parse(stdout) as ModelInspection;
  const { tensors, ...rest } = inspectModel('llama-small');
  expect(found).toEqual({ ...rest, folder: found.folder, licence: 'apache-2.0', tensors });

  writeFileSync(join(found.folder, 'config.json'), '{}');
  const verified = await kvd('models', 'verify', 'org/small');
  expect(verified.stdout).toMatch(/correct +model\.safetensors/);
  expect(verified.stdout).toMatch(/wrong +config\.json/);
  expect(verified.status).toBe(1);

  expect((await kvd('models', 'remove', 'org/small', '--yes')).stdout).toContain('Removed org/small');
  expect((await kvd('models', 'list')).stdout).not.toContain('org/small');
});

it('a gated model is explained', async () => {
  const { status, stderr } = await kvd('models', 'pull', 'org/gated');
  expect(stderr).toMatch(/accept its terms on http.*org\/gated/);
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(status).toBe(2);
});
