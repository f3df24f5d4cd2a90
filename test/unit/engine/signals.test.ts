/** The native matrix kernel must survive signals: Ctrl-C, a child's end, a resized terminal (engine/process.cc). */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';

test('matrix products stay right while signals rain on the process', async () => {
  const child = fork(new URL('products.mjs', import.meta.url), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exit = once(child, 'exit');
  const messages: unknown[] = [];
  let raining = false;
  child.on('message', (message) => {
    messages.push(message);
    raining = message === 'listening';
  });
  while (messages.length === 0 && child.exitCode === null) await turn();
  while (raining && child.exitCode === null && child.signalCode === null) {
    child.kill('SIGUSR2');
    await turn();
  }
  if (child.connected) child.disconnect();
  expect(await exit).toEqual([0, null]);
  const { wrong, received } = messages[1] as { wrong: number; received: number };
  expect(wrong).toBe(0);
  expect(received).toBeGreaterThan(100);
});
