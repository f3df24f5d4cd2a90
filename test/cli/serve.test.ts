/** `kvd serve` as a user starts and stops it. */
import OpenAI from 'openai';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it } from 'vitest';

const bin = resolve('bin/run.js');

interface Started {
  url: string;
  server: ChildProcess;
  exited: Promise<unknown[]>;
}

async function started(): Promise<Started> {
  const server = spawn(process.execPath, [bin, 'serve', '--model', 'llama-small', '--port', '0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(server, 'exit');
  for await (const line of createInterface({ input: server.stderr })) {
    const [, url] = /at (http:\S+?);/.exec(line) ?? [];
    if (url !== undefined) return { url, server, exited };
  }
  throw new Error(`the server ended: ${(await exited).join()}`);
}

async function uploaded({ url }: Started): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ text: 'The color of Yusuf Silva is amber.', retention: 1 });
  const made = await fetch(`${url}/contexts`, { method: 'POST', headers, body });
  expect(made.status).toBe(201);
  return ((await made.json()) as { id: string }).id;
}

it('serves until it is told to stop, then ends well', async () => {
  const running = await started();
  await uploaded(running);
  running.server.kill('SIGTERM');
  expect(await running.exited).toEqual([0, null]);
});

it('answers what is under way when it is told to stop, and does not wait for clients that ask no more', async () => {
  const running = await started();
  const model = await uploaded(running);
  const api = new OpenAI({ baseURL: running.url, apiKey: 'none', maxRetries: 0 });
  const messages = [{ role: 'user' as const, content: 'what is the color of Yusuf Silva?' }];
  const streams = await Promise.all(
    Array.from({ length: 24 }, () => api.chat.completions.create({ model, messages, stream: true })),
  );
  running.server.kill('SIGTERM');
  const answers = await Promise.all(
    streams.map(async (stream) => {
      let text = '';
      for await (const part of stream) text += part.choices[0]?.delta.content ?? '';
      return text;
    }),
  );
  expect(new Set(answers)).toEqual(new Set(['amber']));
  const answered = performance.now();
  expect(await running.exited).toEqual([0, null]);
  // A connection is kept for five seconds, and what is under way is waited for ten.
  expect(performance.now() - answered).toBeLessThan(4000);
});

it('refuses an address that others can reach, without a token', () => {
  const { status, stderr } = spawnSync(process.execPath, [bin, 'serve', '--host', '0.0.0.0'], {
    encoding: 'utf8',
  });
  expect(stderr).toMatch(/no token is set\n.*KVD_TOKEN/);
  expect(status).toBe(2);
});
