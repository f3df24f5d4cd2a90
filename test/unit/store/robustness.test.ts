/** What may befall a database: several processes, full disks, damage, other programs' files, old schemas. */
import { fork } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/errors.js';
import { packageRoot } from '../../../src/base/paths.js';
import { diagnoseDatabase } from '../../../src/store/health.js';
import { migrations } from '../../../src/store/schema.js';
import { Store } from '../../../src/store/store.js';
import { cell, run, sample } from '../../helpers/rows.js';

const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
let count = 0;
const fresh = (): string => join(folder, `${count++}.sqlite`);

function problem(work: () => unknown): UserError {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return error as UserError;
  }
  throw new Error('no error');
}

/** Processes at once, and rows of each; KVD_STRESS=1 for the long form. */
const PROCESSES = 32;
const ROWS = process.env.KVD_STRESS === undefined ? 10 : 1000;

describe('several processes', () => {
  it('open a database that is not there yet, and write to it, all at once', async () => {
    const path = fresh();
    const script = join(folder, 'writer.mjs');
    const store = pathToFileURL(join(packageRoot, 'dist/store/store.js')).href;
    writeFileSync(
      script,
      `import { Store } from ${JSON.stringify(store)};
       const [path, start] = process.argv.slice(2);
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(start) - Date.now());
       const store = Store.open(path);
       const id = store.createRun(${JSON.stringify(run)});
       const cell = store.openCell(id, ${JSON.stringify(cell)});
       const sample = ${JSON.stringify(sample('', { accuracy: 1 }))};
       for (let i = 0; i < ${ROWS}; i++) {
         store.addMetrics(id, i, { loss: i });
         store.addSamples(cell, [{ ...sample, sampleId: 's' + i }]);
       }
       store.setStatus(id, 'finished');`,
    );
    const start = `${Date.now() + 4000}`;
    const codes = await Promise.all(
      Array.from(
        { length: PROCESSES },
        () => new Promise((resolve) => fork(script, [path, start]).on('exit', resolve)),
      ),
    );
    expect(codes).toEqual(Array(PROCESSES).fill(0));
    const reader = Store.open(path, { readonly: true });
    expect(reader.listRuns().map(({ status }) => status)).toEqual(Array(PROCESSES).fill('finished'));
    expect(reader.cellSummaries().map(({ n }) => n)).toEqual(Array(PROCESSES).fill(ROWS));
    for (const { id } of reader.listRuns()) expect(reader.metrics(id).length).toBe(ROWS);
    reader.close();
    expect(diagnoseDatabase(path).problems).toEqual([]);
  });

  it('lose nothing that was stored when one is killed in the middle of a write', async () => {
    const path = fresh();
    const script = join(folder, 'killed.mjs');
    const store = pathToFileURL(join(packageRoot, 'dist/store/store.js')).href;
    writeFileSync(
      script,
      `import { Store } from ${JSON.stringify(store)};
       const store = Store.open(process.argv[2]);
       const id = store.createRun(${JSON.stringify(run)});
       const cell = store.openCell(id, ${JSON.stringify(cell)});
       const sample = ${JSON.stringify(sample('', { accuracy: 1 }))};
       for (let i = 0; ; i++) {
         store.addSamples(cell, [{ ...sample, sampleId: 's' + i }]);
         process.send(i);
       }`,
    );
    const child = fork(script, [path]);
    let last = -1;
    child.on('message', (i) => {
      last = i as number;
      if (last === 20) child.kill('SIGKILL');
    });
    await new Promise((resolve) => child.on('exit', resolve));
    const reader = Store.open(path);
    const [summary] = reader.cellSummaries();
    const stored = reader.doneSamples(summary!.id);
    for (let i = 0; i <= last; i++) expect(stored.has(`s${i}`)).toBe(true);
    expect(summary!.n).toBe(stored.size);
  });

  it('are told when another holds the database for too long', () => {
    const path = fresh();
    const store = Store.open(path);
    (store as unknown as { connection: Database.Database }).connection.pragma('busy_timeout = 50');
    const other = new Database(path);
    other.exec('BEGIN IMMEDIATE');
    expect(problem(() => store.createRun(run)).code).toBe('database-busy');
    other.exec('ROLLBACK');
    expect(store.createRun(run)).toBeTruthy();
  });
});

describe('damage', () => {
  it('a full disk is said to be one, and what is stored stays', () => {
    const path = fresh();
    const store = Store.open(path);
    const cellId = store.openCell(store.createRun(run), cell);
    store.addSamples(cellId, [sample('first', { accuracy: 1 })]);
    const { connection } = store as unknown as { connection: Database.Database };
    connection.pragma(`max_page_count = ${connection.pragma('page_count', { simple: true }) as number}`);
    const big = 'x'.repeat(100_000);
    const error = problem(() =>
      store.addSamples(cellId, [sample('second', {}), sample('third', { accuracy: 0 }, big)]),
    );
    expect(error).toMatchObject({ code: 'disk-full', where: path });
    expect([...Store.open(path).doneSamples(cellId)]).toEqual(['first']);
    expect(store.cellSummaries()).toMatchObject([{ n: 1, metrics: { accuracy: 1 } }]);
  });

  it('a damaged file is a clear error', () => {
    const path = fresh();
    const store = Store.open(path);
    for (let i = 0; i < 200; i++) store.createRun({ ...run, config: { text: 'x'.repeat(500) } });
    store.close();
    const bytes = readFileSync(path);
    bytes.fill(0xa5, 4096, bytes.length);
    writeFileSync(path, bytes);
    expect(problem(() => Store.open(path).listRuns()).code).toBe('database-corrupt');
  });

  it('the database of another program is refused, and not touched', () => {
    const path = fresh();
    const other = new Database(path);
    other.exec('CREATE TABLE bookmarks (url TEXT)');
    other.close();
    const before = readFileSync(path);
    expect(problem(() => Store.open(path)).code).toBe('foreign-database');
    expect(problem(() => Store.open(path, { readonly: true })).code).toBe('foreign-database');
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it('a path that cannot be is refused', () => {
    const file = join(folder, 'a-file');
    writeFileSync(file, '');
    expect(problem(() => Store.open(join(file, 'x.sqlite'))).where).toContain('a-file');
    expect(problem(() => Store.open('')).code).toBe('no-database');
  });

  it('a run that was deleted meanwhile takes nothing more', () => {
    const store = Store.open(fresh());
    const id = store.createRun(run);
    const cellId = store.openCell(id, cell);
    store.deleteRun(id);
    expect(problem(() => store.addMetrics(id, 1, { loss: 1 })).code).toBe('run-deleted');
    expect(problem(() => store.addSamples(cellId, [sample('a', {})])).code).toBe('run-deleted');
    expect(problem(() => store.openCell(id, cell)).code).toBe('run-deleted');
  });
});

describe('reading only', () => {
  it('makes no file, and changes none', () => {
    const path = fresh();
    expect(problem(() => Store.open(path, { readonly: true })).code).toBe('no-database');
    expect(existsSync(path)).toBe(false);
    Store.open(path).close();
    const reader = Store.open(path, { readonly: true });
    expect(reader.listRuns()).toEqual([]);
    expect(problem(() => reader.createRun(run)).code).toBe('database-unwritable');
  });
});

describe('what is summed up', () => {
  it('leaves out what is no number', () => {
    const store = Store.open(fresh());
    const cellId = store.openCell(store.createRun(run), cell);
    store.addSamples(cellId, [sample('a', { kl: NaN, nll: 1 }), sample('b', { kl: 2, nll: Infinity })]);
    const [summary] = store.cellSummaries();
    expect(summary).toMatchObject({ n: 2, metrics: { kl: 2, nll: 1 }, stderrs: { kl: 0, nll: 0 } });
    expect(store.samples(cellId).map(({ metrics }) => metrics)).toEqual([{ nll: 1 }, { kl: 2 }]);
    store.addSamples(cellId, [sample('c', { 'a|"b ': 0.1 })]);
    expect(store.cellSummaries()[0]!.metrics['a|"b ']).toBe(0.1);
  });

  it('is the same after an update from the first schema', () => {
    const path = fresh();
    const old = new Database(path);
    old.exec(migrations[0]!);
    old.pragma('user_version = 1');
    old.exec(`INSERT INTO runs VALUES ('id', 'eval', 'r', '{}', 'h', 'finished', 1, '0', NULL, '{}', '{}', 't', NULL, NULL);
      INSERT INTO cells VALUES (1, 'id', 'm', 'kvd', '{}', NULL, '{}', 'x', 0.25, 't', 1, 's', 1, 'real');
      INSERT INTO samples VALUES (1, 'a', '', '', '[]', '[]', '{"accuracy":1,"kl":null}', 10, 5, 8, 4, 0.5, 0.25, 't');
      INSERT INTO samples VALUES (1, 'b', '', '', '[]', '[]', '{"accuracy":0}', 20, 5, 8, 4, 0.5, 0.25, 't');`);
    old.close();
    const store = Store.open(path);
    store.addSamples(1, [sample('c', { accuracy: 1 }), sample('a', { accuracy: 0 })]);
    const [summary] = store.cellSummaries(['id']);
    expect(summary).toMatchObject({ n: 3, contextTokens: 130 / 3, runStatus: 'finished' });
    expect(summary!.metrics).toEqual({ accuracy: 2 / 3 });
    store.deleteRun('id');
    expect(store.cellSummaries()).toEqual([]);
  });

  it('takes thousands of runs', () => {
    const store = Store.open(fresh());
    const ids = Array.from({ length: 2000 }, () => store.createRun(run));
    expect(new Set(ids).size).toBe(2000);
    expect(store.listRuns({ limit: 5 }).length).toBe(5);
    expect(store.cellSummaries(ids)).toEqual([]);
  });
});
