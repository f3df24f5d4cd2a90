/** `kvd serve` as a user starts and stops it. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it } from 'vitest';

const bin = resolve('bin/run.js');

it('serves until it is told to stop, then ends well', async () => {
  const server = spawn(process.execPath, [bin, 'serve', '--model', 'llama-small', '--port', '0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(server, 'exit');
  let url = '';
  for await (const line of createInterface({ input: server.stderr })) {
    url = /at (http:\S+?);/.exec(line)?.[1] ?? '';
    if (url !== '') break;
  }
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ text: 'The color of Yusuf Silva is amber.', retention: 1 });
  const made = await fetch(`${url}/contexts`, { method: 'POST', headers, body });
  expect(made.status).toBe(201);
  server.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
});

it('refuses an address that others can reach, without a token', () => {
  const { status, stderr } = spawnSync(process.execPath, [bin, 'serve', '--host', '0.0.0.0'], {
    encoding: 'utf8',
  });
  expect(stderr).toMatch(/no token is set\n.*KVD_TOKEN/);
  expect(status).toBe(2);
});
