/** Databases of every released schema, damaged, copied, moved, joined, and where nothing can be written. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/errors.js';
import { packageRoot } from '../../../src/base/paths.js';
import { diagnoseDatabase, salvageDatabase } from '../../../src/store/health.js';
import { migrations } from '../../../src/store/schema.js';
import { Store } from '../../../src/store/store.js';
import { backupRuns, exportRuns, importRuns } from '../../../src/workflows/store-care.js';
import { cell, run, sample } from '../../helpers/rows.js';

const folder = mkdtempSync(join(tmpdir(), 'kvd-care-'));
let count = 0;
const fresh = (): string => join(folder, `${count++}.sqlite`);

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as UserError).code;
  }
  return 'none';
}

function schemaOf(path: string): unknown {
  const database = new Database(path, { readonly: true });
  const sql = 'SELECT type, name, sql FROM sqlite_master ORDER BY type, name';
  const made = database.prepare(sql).all() as { sql: string | null }[];
  database.close();
  return made.map((one) => ({ ...one, sql: one.sql?.replace(/\s+/g, ' ') }));
}

/** All that a database holds, in the order of an export. */
function contents(path: string): unknown[] {
  const store = Store.open(path, { readonly: true });
  const records = store.withRecords(undefined, (all) => [...all]);
  store.close();
  return records;
}

/** `runs` runs with a cell, `samples` samples each and a metric. */
function filled(runs: number, samples: number): string {
  const path = fresh();
  const store = Store.open(path);
  for (let r = 0; r < runs; r++) {
    const id = store.createRun({ ...run, configHash: `h${r}`, config: { text: 'x'.repeat(300) } });
    const cellId = store.openCell(id, cell);
    const rows = Array.from({ length: samples }, (_, i) =>
      sample(`s${i}`, { accuracy: i % 2 }, 'y'.repeat(200)),
    );
    store.addSamples(cellId, rows);
    store.addMetrics(id, 1, { loss: r });
    store.addArtifact(id, { kind: 'adapter', path: 'runs/a', sha256: 'f' });
    store.setStatus(id, 'finished');
  }
  store.close();
  return path;
}

describe('a database of an older kvd', () => {
  const released = readdirSync('test/golden/schemas').sort();

  it('has a reference for every schema that was released', () => {
    expect(released).toEqual(migrations.map((_, i) => `${i + 1}.sql`));
  });

  it.each(released)('of schema %s becomes what a new one is, with all its rows', (name) => {
    const [old, made] = [fresh(), fresh()];
    const database = new Database(old);
    database.exec(readFileSync(join('test/golden/schemas', name), 'utf8'));
    database.close();
    Store.open(made).close();
    const [summary] = Store.open(old, { readonly: true }).cellSummaries();
    expect(summary).toMatchObject({
      n: 2,
      metrics: { accuracy: 0.5, kl: 2 },
      contextTokens: 15,
      runName: 'old',
    });
    expect(schemaOf(old)).toEqual(schemaOf(made));
    expect(diagnoseDatabase(old)).toMatchObject({
      problems: [],
      schema: migrations.length,
      runs: { finished: 1 },
    });
    expect(contents(old).map((record) => Object.keys(record as object)[0])).toEqual([
      ...['run', 'metric', 'artifact', 'cell', 'sample', 'sample'],
    ]);
  });
});

describe('a damaged database', () => {
  it('is diagnosed, never copied as sound, and gives back all but what stood on the damaged page', () => {
    const path = filled(6, 40);
    expect(diagnoseDatabase(path)).toMatchObject({ problems: [], runs: { finished: 6 } });
    const bytes = readFileSync(path);
    const database = new Database(path, { readonly: true });
    const pageOf = (name: string): number =>
      database
        .prepare("SELECT max(pageno) FROM dbstat WHERE name = ? AND pagetype = 'leaf'")
        .pluck()
        .get(name) as number;
    const pages = ['runs', 'cells', 'samples', 'runs_by_hash'].map((name) => [name, pageOf(name)] as const);
    database.close();
    for (const [name, page] of pages) {
      const [damaged, rescued] = [fresh(), fresh()];
      writeFileSync(damaged, Buffer.from(bytes).fill(0xa5, (page - 1) * 4096, page * 4096));
      expect(diagnoseDatabase(damaged).problems.length, name).toBeGreaterThan(0);
      expect(
        codeOf(() => backupRuns(damaged, fresh())),
        name,
      ).toBe('database-corrupt');
      const counts = salvageDatabase(damaged, rescued);
      expect(diagnoseDatabase(rescued).problems, name).toEqual([]);
      // A page holds about ten samples of 330 bytes.
      expect(counts.samples, name).toBeGreaterThanOrEqual(name === 'samples' ? 240 - 15 : 240);
      const summaries = Store.open(rescued).cellSummaries();
      expect(
        summaries.reduce((sum, { n }) => sum + n, 0),
        name,
      ).toBe(counts.samples);
    }
  });

  it('with sums that do not fit its samples is told apart', () => {
    const path = filled(1, 4);
    const database = new Database(path);
    database.exec("UPDATE totals SET total = total + 1 WHERE name = 'accuracy'");
    database.close();
    expect(diagnoseDatabase(path).problems).toEqual(['1 sums differ from the samples that they stand for']);
    const rescued = fresh();
    salvageDatabase(path, rescued);
    expect(Store.open(rescued).cellSummaries()[0]!.metrics.accuracy).toBe(0.5);
  });
});

describe('runs', () => {
  it('survive a copy, an export and a database of another folder, once however often', () => {
    const path = filled(3, 5);
    const [copy, lines, other, third] = [fresh(), join(folder, 'x.jsonl'), fresh(), fresh()];
    expect(backupRuns(path, copy).runs).toBe(3);
    expect(contents(copy)).toEqual(contents(path));
    expect(codeOf(() => backupRuns(path, copy))).toBe('file-exists');
    expect(exportRuns(path, [], lines).runs).toBe(3);
    expect(importRuns(other, lines)).toEqual({ runs: 3, metrics: 3, samples: 15 });
    expect(importRuns(other, lines)).toEqual({ runs: 0, metrics: 0, samples: 0 });
    expect(importRuns(third, other)).toEqual({ runs: 3, metrics: 3, samples: 15 });
    for (const one of [other, third]) {
      expect(contents(one)).toEqual(contents(path));
      expect(diagnoseDatabase(one).problems).toEqual([]);
    }
    const [first] = Store.open(path).listRuns();
    expect(exportRuns(path, [first!.id], undefined).text!.split('\n')).toHaveLength(1 + 9 + 1);
  });

  it('of an export that was cut short or tampered with are all refused', () => {
    const lines = join(folder, 'cut.jsonl');
    exportRuns(filled(2, 3), [], lines);
    const whole = readFileSync(lines, 'utf8').trimEnd().split('\n');
    const into = fresh();
    const tries: [string[], string][] = [
      [whole.slice(0, -1), 'bad-export'],
      [whole.toSpliced(3, 1), 'bad-export'],
      [whole.with(1, whole[1]!.replace('"finished"', '"excellent"')), 'bad-export'],
      [whole.with(0, '{"format":"kvd-runs","version":2}'), 'newer-export'],
      [['hello'], 'bad-json'],
      [['[]'], 'bad-export'],
    ];
    for (const [text, code] of tries) {
      writeFileSync(lines, text.join('\n'));
      expect(codeOf(() => importRuns(into, lines))).toBe(code);
    }
    expect(contents(into)).toEqual([]);
  });

  it('of one evaluation done in halves become one', () => {
    const [whole, half] = [fresh(), fresh()];
    for (const [path, ids] of [
      [whole, ['a', 'b']],
      [half, ['b', 'c']],
    ] as const) {
      const store = Store.open(path);
      const id = store.createRun(run);
      store.addSamples(
        store.openCell(id, cell),
        ids.map((name) => sample(name, { accuracy: 1 })),
      );
      store.setStatus(id, 'interrupted');
      store.close();
    }
    expect(importRuns(whole, half)).toEqual({ runs: 0, metrics: 0, samples: 1 });
    expect(Store.open(whole).cellSummaries()).toMatchObject([{ n: 3, runStatus: 'interrupted' }]);
  });
});

describe('a folder in which nothing can be written', () => {
  it('still lets its database be read', () => {
    const place = join(folder, 'readonly');
    mkdirSync(place);
    const path = join(place, 'kvd.sqlite');
    writeFileSync(path, readFileSync(filled(2, 3)));
    chmodSync(folder, 0o755);
    chmodSync(path, 0o444);
    chmodSync(place, 0o555);
    const script = `
      const { Store } = await import(${JSON.stringify(pathToFileURL(join(packageRoot, 'dist/store/store.js')).href)});
      const path = ${JSON.stringify(path)};
      console.log(Store.open(path, { readonly: true }).cellSummaries().map(({ n }) => n).join());
      try { Store.open(path).setStatus('x', 'failed'); } catch (error) { console.log(error.code); }`;
    // Root may write anywhere.
    const other = process.getuid!() === 0 ? { uid: 65534, gid: 65534 } : {};
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      ...other,
    });
    expect(stderr).toBe('');
    expect(stdout).toBe('3,3\ndatabase-unwritable\n');
  });
});

const tmpfs = mkdtempSync(join(tmpdir(), 'kvd-tmpfs-'));
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=100k', 'tmpfs', tmpfs]).status === 0;

describe.skipIf(!mounted)('a disk of 100 kB (skipped where none can be mounted)', () => {
  it('fills up, which is said, and once it is larger the run goes on', () => {
    const writer = (): { stdout: string; status: number | null } =>
      spawnSync(process.execPath, [resolve('test/stress/writer.mjs'), tmpfs], { encoding: 'utf8' });
    try {
      expect(writer()).toMatchObject({ status: 3, stdout: 'disk-full' });
      execFileSync('mount', ['-o', 'remount,size=2m', tmpfs]);
      expect(writer()).toMatchObject({ status: 0 });
      expect(diagnoseDatabase(join(tmpfs, 'kvd.sqlite'))).toMatchObject({
        problems: [],
        runs: { finished: 1 },
      });
      expect(Store.open(join(tmpfs, 'kvd.sqlite'), { readonly: true }).cellSummaries()[0]!.n).toBe(10);
    } finally {
      execFileSync('umount', ['-l', tmpfs]);
    }
  });
});
