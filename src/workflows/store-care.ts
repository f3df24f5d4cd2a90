/** `kvd runs doctor|backup|export|import`: looking after what is stored. */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readSync, renameSync, rmSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { UserError } from '../base/errors.js';
import { fileError, readJsonLines, writeFileAtomic } from '../base/files.js';
import { diagnoseDatabase, salvageDatabase, type Health, type Rescued } from '../store/health.js';
import { storeRecord } from '../store/records.js';
import { Store, type Merged, type StoreRecord } from '../store/store.js';

const FORMAT = 'kvd-runs';
const VERSION = 1;

/** What `kvd runs doctor` found and, with `into`, rescued. */
export function runsDoctor(
  db: string,
  into: string | undefined,
): { value: Health & { rescued?: Rescued }; text: string } {
  const health = diagnoseDatabase(db);
  const rescued = into === undefined ? undefined : salvageDatabase(db, into);
  const runs = Object.entries(health.runs).map(([status, n]) => `${n} ${status}`);
  const lines = [
    `${db}: ${health.bytes} bytes, ${health.walBytes} in the log, schema ${health.schema} of ${health.newestSchema}`,
    `runs: ${runs.length === 0 ? 'none' : runs.join(', ')}`,
    ...health.problems.map((problem) => `problem: ${problem}`),
  ];
  if (rescued !== undefined) {
    const counts = Object.entries(rescued).map(([table, n]) => `${n} ${table}`);
    lines.push(`rescued into ${into}: ${counts.join(', ')}`);
  } else if (health.problems.length > 0) {
    lines.push('Rescue what can be read with --salvage FILE, or restore a backup.');
  } else lines.push('all is well');
  return { value: { ...health, ...(rescued !== undefined && { rescued }) }, text: lines.join('\n') };
}

/** Writes a sound copy of the database to `file`, which must not be there, while others go on writing. */
export function backupRuns(db: string, file: string): { file: string; runs: number } {
  const target = resolve(file);
  if (existsSync(target)) {
    throw new UserError('file-exists', 'exists already', { where: file, hint: 'Name a new file.' });
  }
  const temporary = `${target}.${process.pid}.tmp`;
  const store = Store.open(db, { readonly: true });
  try {
    mkdirSync(dirname(target), { recursive: true });
    store.copyTo(temporary);
    const { problems } = diagnoseDatabase(temporary);
    if (problems.length > 0) {
      throw new UserError('database-corrupt', `the copy is not sound: ${problems[0]}`, {
        where: db,
        hint: 'See `kvd runs doctor`.',
        exitCode: 1,
      });
    }
    const descriptor = openSync(temporary, 'r+');
    fsyncSync(descriptor);
    closeSync(descriptor);
    renameSync(temporary, target);
    return { file, runs: store.listRuns().length };
  } catch (error) {
    throw fileError(error, file);
  } finally {
    for (const name of [temporary, `${temporary}-journal`]) rmSync(name, { force: true });
    store.close();
  }
}

function* linesOf(records: Iterable<StoreRecord>): Generator<string> {
  yield JSON.stringify({ format: FORMAT, version: VERSION });
  let count = 0;
  for (const record of records) {
    count++;
    yield JSON.stringify(record);
  }
  yield JSON.stringify({ records: count });
}

function* bytesOf(records: Iterable<StoreRecord>): Generator<Uint8Array> {
  for (const line of linesOf(records)) yield Buffer.from(`${line}\n`);
}

/** Runs (ids or their beginnings; all where none are named) as JSON Lines, in `output` or returned. */
export function exportRuns(
  db: string,
  runs: readonly string[],
  output: string | undefined,
): { runs: number; text?: string } {
  const store = Store.open(db, { readonly: true });
  try {
    const ids = runs.length === 0 ? undefined : runs.map((id) => store.run(id).id);
    const count = ids?.length ?? store.listRuns().length;
    return store.withRecords(ids, (records) => {
      if (output === undefined) return { runs: count, text: [...linesOf(records)].join('\n') };
      writeFileAtomic(output, bytesOf(records));
      return { runs: count };
    });
  } finally {
    store.close();
  }
}

function isDatabase(file: string): boolean {
  const head = Buffer.alloc(16);
  try {
    const descriptor = openSync(file, 'r');
    try {
      readSync(descriptor, head, 0, 16, 0);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw fileError(error, file);
  }
  return head.toString('latin1') === 'SQLite format 3\0';
}

/** Largest export that is read, in bytes. */
const MOST_BYTES = 2 ** 30;

/** The records of an export, each line checked; one that was cut short is a UserError. */
function* parseExport(file: string): Generator<StoreRecord> {
  const lines = readJsonLines(file, MOST_BYTES);
  const [head, ...rest] = lines.map(({ value }) => value as Record<string, unknown> | null);
  if (head?.format !== FORMAT) {
    throw new UserError('bad-export', 'is neither a database nor an export of `kvd runs export`', {
      where: file,
    });
  }
  if (head.version !== VERSION) {
    throw new UserError('newer-export', `is of version ${String(head.version)}, this kvd reads ${VERSION}`, {
      where: file,
      hint: 'Update kvd.',
    });
  }
  const tail = rest.pop();
  if (tail?.records !== rest.length) {
    throw new UserError('bad-export', 'the export is cut short', { where: file, hint: 'Export it again.' });
  }
  for (const [i, value] of rest.entries()) {
    const parsed = storeRecord.safeParse(value);
    if (parsed.success) yield parsed.data;
    else {
      throw new UserError('bad-export', 'is no record of a run', { where: `${file}:${lines[i + 1]!.line}` });
    }
  }
}

/** Takes over the runs of an export or of another database, all or nothing. */
export function importRuns(db: string, file: string): Merged {
  if (!isDatabase(file)) {
    const store = Store.open(db);
    try {
      return store.merge(parseExport(file));
    } finally {
      store.close();
    }
  }
  const from = Store.open(file, { readonly: true });
  const store = Store.open(db);
  try {
    return from.withRecords(undefined, (records) => store.merge(records));
  } finally {
    store.close();
    from.close();
  }
}
