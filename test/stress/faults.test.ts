/**
 * A run that is killed at any system call that writes, or whose disk fails there, loses nothing that was stored.
 * KVD_STRESS=1 goes through every call; else a few of them.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { diagnoseDatabase } from '../../src/store/health.js';
import { Store } from '../../src/store/store.js';
import { faultEnvironment, faults, runWithFault, type Fault } from '../helpers/faults.js';

const long = process.env.KVD_STRESS !== undefined;
const writer = resolve('test/stress/writer.mjs');
const fresh = (): string => mkdtempSync(join(tmpdir(), 'kvd-faulty-'));

/** `count` numbers spread over 1 … `most`; all of them in the long form. */
function spread(most: number, count: number): number[] {
  if (long) return Array.from({ length: most }, (_, i) => i + 1);
  return Array.from({ length: count }, (_, i) => 1 + Math.floor(((i + 0.5) * most) / count));
}

function stored(folder: string): { samples: string[]; step: number } {
  const database = join(folder, 'kvd.sqlite');
  const state = join(folder, 'state.json');
  const step = existsSync(state) ? (JSON.parse(readFileSync(state, 'utf8')) as { step: number }).step : 0;
  if (!existsSync(database)) return { samples: [], step };
  expect(diagnoseDatabase(database).problems).toEqual([]);
  const store = Store.open(database);
  const samples = store.cellSummaries().flatMap(({ id }) => [...store.doneSamples(id)]);
  store.close();
  return { samples, step };
}

/** What the run leaves when nothing, or everything before, went wrong. */
function expectWhole(folder: string): void {
  const { samples, step } = stored(folder);
  expect(step).toBe(5);
  expect(samples).toEqual(Array.from({ length: 10 }, (_, i) => `s${i}`));
  const store = Store.open(join(folder, 'kvd.sqlite'));
  expect(store.listRuns().map(({ status }) => status)).toEqual(['finished']);
  expect(store.metrics(store.listRuns()[0]!.id).map(({ value }) => value)).toEqual(
    [1, 2, 3, 4, 5].map((s) => 1 / s),
  );
  store.close();
}

const calls = ((): number => {
  if (faults === undefined) return 0;
  const under = fresh();
  const run = runWithFault([writer, under], { under });
  expect(run).toMatchObject({ status: 0, stderr: '' });
  return run.calls;
})();

describe.skipIf(faults === undefined)('a run (skipped without Linux and a C compiler)', () => {
  it('killed between any two writes, or in the middle of one, goes on to the same end', () => {
    expect(calls).toBeGreaterThan(100);
    spread(calls, 8).forEach((at, i) => {
      const under = fresh();
      const fault: Fault = { under, at, torn: i % 2 === 1 };
      expect(runWithFault([writer, under], fault).signal, `${at}`).toBe('SIGKILL');
      const before = stored(under);
      // A checkpoint never says more than the database holds.
      expect(before.samples.length).toBeGreaterThanOrEqual(2 * before.step);
      expect(runWithFault([writer, under], { under }), `${at}`).toMatchObject({ status: 0, stderr: '' });
      expectWhole(under);
    });
  });

  it('on a slow share comes to the same end', () => {
    const under = fresh();
    const delay = long ? 100 : 10;
    const started = performance.now();
    expect(runWithFault([writer, under], { under, delay })).toMatchObject({ status: 0, stderr: '' });
    expect(performance.now() - started).toBeGreaterThan(calls * delay);
    expectWhole(under);
  });

  it('beside another one, both of the same folder on a slow share, comes to the same end', async () => {
    const under = fresh();
    const env = faultEnvironment({ under, delay: long ? 100 : 10 });
    const ended = [0, 1].map(() => {
      const child = spawn(process.execPath, [writer, under], { env, stdio: ['ignore', 'pipe', 'inherit'] });
      let said = '';
      child.stdout.on('data', (data: Buffer) => (said += data.toString()));
      return new Promise((done) => child.once('close', (code) => done({ code, said })));
    });
    expect(await Promise.all(ended)).toEqual([0, 1].map(() => ({ code: 0, said: '' })));
    expectWhole(under);
  });

  it.each(['ENOSPC', 'EDQUOT', 'EIO', 'ESTALE', 'EROFS'] as const)(
    'that meets %s says so, and goes on once it is mended',
    (errno) => {
      for (const at of spread(calls, 2)) {
        const under = fresh();
        const failed = runWithFault([writer, under], { under, at, errno });
        expect(failed.stderr, `${at}`).toBe('');
        // A failed clean-up when a database is closed is none: what it would have removed is read again.
        if (failed.status !== 0) {
          expect(failed.status, `${at}`).toBe(3);
          expect(failed.stdout).toMatch(
            /^(disk-full|database-io|database-unwritable|input-output|share-vanished|read-only)$/,
          );
        }
        const before = stored(under);
        expect(runWithFault([writer, under], { under }), `${at}`).toMatchObject({ status: 0, stderr: '' });
        expectWhole(under);
        expect(before.samples.length).toBeGreaterThanOrEqual(2 * before.step);
      }
    },
  );
});
