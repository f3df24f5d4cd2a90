/** Children are asked to stop once: a second signal would end them while they save. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { childrenAtOnce } from '../../../src/workflows/children.js';

/** Says so at each SIGTERM, and ends a while after the first. */
const patient = `
  process.on('SIGTERM', () => { process.stdout.write('asked '); setTimeout(() => process.exit(130), 300); });
  process.stdout.write('ready ');
  setInterval(() => undefined, 1000);`;

it('asks each child to stop once, however often it is told to', async () => {
  const children = childrenAtOnce(2);
  const child = spawn(process.execPath, ['-e', patient], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (data: Buffer) => (said += data.toString()));
  const ended = children.ended(child);
  await once(child.stdout, 'data');
  children.stop();
  await new Promise((resolve) => setTimeout(resolve, 100));
  children.stop();
  expect(await ended).toEqual({ code: 130, signal: null });
  children.release();
  expect(said).toBe('ready asked ');
});
