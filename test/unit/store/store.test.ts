import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it, vi } from 'vitest';
import { UserError } from '../../../src/base/errors.js';
import { databaseError } from '../../../src/store/connection.js';
import { Store } from '../../../src/store/store.js';
import { cell, run, sample as row } from '../../helpers/rows.js';

const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
let count = 0;
const fresh = (): string => join(folder, `${count++}.sqlite`);

const sample = (id: string, accuracy: number): ReturnType<typeof row> => row(id, { accuracy });

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as UserError).code;
  }
  return 'none';
}

describe('the store', () => {
  it('keeps runs, finds them by configuration, and deletes them with all that hangs on them', () => {
    const store = Store.open(fresh());
    const id = store.createRun({ ...run, config: { a: 1 } });
    expect(store.findRun({ kind: 'eval', configHash: 'h' })).toMatchObject({
      id,
      status: 'running',
      config: { a: 1 },
    });
    store.setStatus(id, 'finished');
    expect(store.run(id.slice(0, 10)).status).toBe('finished');
    const cellId = store.openCell(id, cell);
    store.addSamples(cellId, [sample('a', 1)]);
    store.addMetrics(id, 1, { loss: 2 });
    store.deleteRun(id);
    expect(store.listRuns()).toEqual([]);
    expect(store.doneSamples(cellId).size).toBe(0);
    expect(store.metrics(id)).toEqual([]);
    expect(codeOf(() => store.run(id))).toBe('unknown-run');
  });

  it('counts runs and their seconds by what made them, the newest first', () => {
    const path = fresh();
    const store = Store.open(path);
    const other = { ...run, gitCommit: 'newer' };
    const specs = [{ ...run, kind: 'train' }, run, other, { ...other, kind: 'record' }];
    const ids = specs.map((spec) => store.createRun(spec));
    const times = new Database(path).prepare('UPDATE runs SET started_at = ?, ended_at = ? WHERE id = ?');
    const at = (seconds: string): string => `2026-01-01T00:00:${seconds}Z`;
    [at('01.250'), null, at('59.001')].forEach((end, i) => times.run(at('00.000'), end, ids[i]));
    const made = { codeVersion: run.codeVersion, machine: run.machine };
    const old = { ...made, gitCommit: run.gitCommit };
    expect(store.origins({ except: 'record' })).toEqual([
      { ...made, gitCommit: 'newer', runs: 1, seconds: 59.001 },
      { ...old, runs: 2, seconds: 1.25 },
    ]);
    expect(store.origins({ except: 'record', ids: new Set([ids[1]!, ids[3]!]) })).toEqual([
      { ...old, runs: 1, seconds: 0 },
    ]);
  });

  it('takes a sample once, and summarises exactly', () => {
    const store = Store.open(fresh());
    const id = store.createRun(run);
    const cellId = store.openCell(id, cell);
    expect(store.openCell(id, cell)).toBe(cellId);
    store.addSamples(cellId, [sample('a', 1), sample('b', 0)]);
    store.addSamples(cellId, [sample('b', 1), sample('c', 1), sample('d', 1)]);
    const [summary] = store.cellSummaries([id]);
    expect(summary).toMatchObject({ n: 4, metrics: { accuracy: 0.75 }, keptTokens: 25, bytesAfter: 100 });
    expect(summary!.stderrs.accuracy).toBeCloseTo(Math.sqrt((0.75 * 0.25) / 4), 12);
    expect(store.samples(cellId).map(({ sampleId }) => sampleId)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('summarises a metric by tag, and by all tags of a sample', () => {
    const store = Store.open(fresh());
    const cellId = store.openCell(store.createRun(run), cell);
    const tagged = (id: string, accuracy: number, ...tags: string[]): ReturnType<typeof row> => ({
      ...sample(id, accuracy),
      tags,
    });
    store.addSamples(cellId, [
      tagged('a', 1, 'length=8', 'depth=0'),
      tagged('b', 0, 'length=8', 'depth=0'),
      tagged('c', 1, 'length=8', 'depth=50'),
      tagged('d', 1),
      { ...tagged('e', 0, 'depth=50'), metrics: { f1: 0 } },
    ]);
    const stderr = Math.sqrt(2 / 9 / 3);
    expect(store.tagSummaries(cellId, 'accuracy')).toEqual([
      { tag: 'depth=0', n: 2, mean: 0.5, stderr: Math.sqrt(0.25 / 2) },
      { tag: 'depth=50', n: 1, mean: 1, stderr: 0 },
      { tag: 'length=8', n: 3, mean: 2 / 3, stderr: expect.closeTo(stderr, 12) as number },
    ]);
    expect(store.tagSetSummaries(cellId, 'accuracy')).toEqual([
      { tags: ['length=8', 'depth=0'], n: 2, mean: 0.5, stderr: Math.sqrt(0.25 / 2) },
      { tags: ['length=8', 'depth=50'], n: 1, mean: 1, stderr: 0 },
      { tags: [], n: 1, mean: 1, stderr: 0 },
    ]);
    expect(store.tagSummaries(cellId, 'rougeL')).toEqual([]);
  });

  it('lets several connections write at once', () => {
    const path = fresh();
    const stores = Array.from({ length: 4 }, () => Store.open(path));
    const ids = stores.map((store) => store.createRun(run));
    for (let step = 0; step < 50; step++)
      stores.forEach((store, i) => store.addMetrics(ids[i]!, step, { loss: step }));
    for (const id of ids) expect(stores[0]!.metrics(id).length).toBe(50);
  });

  it('keeps the order of runs, and no run ends before it began, whatever the clock does', () => {
    const store = Store.open(fresh());
    const noon = Date.UTC(2030, 0, 1, 12);
    const day = 86_400_000;
    vi.useFakeTimers({ toFake: ['Date'], now: noon });
    try {
      const made = [0, -day, -2 * day, 3 * day, -day, 0].map((jump, i) => {
        vi.setSystemTime(noon + jump);
        const id = store.createRun({ ...run, name: `run ${i}` });
        vi.setSystemTime(noon + jump - day);
        store.setStatus(id, 'finished');
        return id;
      });
      const runs = store.listRuns();
      expect(runs.map(({ id }) => id)).toEqual([...made].reverse());
      for (const { startedAt, endedAt } of runs) expect(endedAt! >= startedAt).toBe(true);
      store.setStatus(made[0]!, 'running');
      expect(store.run(made[0]!).endedAt).toBeNull();
    } finally {
      vi.useRealTimers();
      store.close();
    }
  });

  it('refuses what it cannot use, and leaves it as it is', () => {
    const newer = fresh();
    const raw = new Database(newer);
    raw.pragma('user_version = 99');
    raw.close();
    expect(codeOf(() => Store.open(newer))).toBe('newer-database');
    const text = fresh();
    writeFileSync(text, 'this is no database, but a text that is long enough to look like one'.repeat(20));
    expect(codeOf(() => Store.open(text))).toBe('database-corrupt');
    expect(codeOf(() => Store.open(folder))).toBe('database-unwritable');
    expect(codeOf(() => Store.open(join(text, 'x.sqlite')))).not.toBe('none');
  });

  it('says what a full disk or a lock is', () => {
    const code = (sqlite: string): string =>
      (databaseError(Object.assign(new Error('x'), { code: sqlite }), 'p') as UserError).code;
    expect(code('SQLITE_FULL')).toBe('disk-full');
    expect(code('SQLITE_BUSY')).toBe('database-busy');
    expect(code('SQLITE_READONLY_DIRECTORY')).toBe('database-unwritable');
  });
});
