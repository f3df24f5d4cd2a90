import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { exclusively } from '../../../src/base/lock.js';

let lock: string;
beforeEach(() => {
  lock = join(mkdtempSync(join(tmpdir(), 'kvd-lock-')), 'x.lock');
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('a lock', () => {
  it('lets one work at a time', async () => {
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await pause(20);
      inside--;
    };
    await Promise.all([exclusively(lock, work), exclusively(lock, work), exclusively(lock, work)]);
    expect(most).toBe(1);
    expect(existsSync(lock)).toBe(false);
  });

  it('is given back when the work fails', async () => {
    await expect(exclusively(lock, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(existsSync(lock)).toBe(false);
  });

  it('is taken from a process that has died', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', '0']);
    writeFileSync(lock, JSON.stringify({ pid, start: '1', host: hostname() }));
    expect(await exclusively(lock, () => Promise.resolve('done'))).toBe('done');
    expect(readdirSync(join(lock, '..'))).toEqual([]);
  });

  it('is taken from a dead process whose number another one, even this one, now has', async () => {
    writeFileSync(lock, JSON.stringify({ pid: process.pid, start: '1', host: hostname() }));
    expect(await exclusively(lock, () => Promise.resolve('done'))).toBe('done');
  });

  it('is taken when left half-written, but only after a while', async () => {
    writeFileSync(lock, '');
    let waited = false;
    const done = exclusively(
      lock,
      () => Promise.resolve('done'),
      () => (waited = true),
    );
    await pause(50);
    expect(waited).toBe(true);
    utimesSync(lock, new Date(0), new Date(0));
    expect(await done).toBe('done');
  });

  it('is taken when left half-written before the clock was set back', async () => {
    writeFileSync(lock, '');
    const later = new Date(Date.now() + 3_600_000);
    utimesSync(lock, later, later);
    expect(await exclusively(lock, () => Promise.resolve('done'))).toBe('done');
  }, 60_000);
});
