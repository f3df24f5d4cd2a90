/** Opening the database: migrations, several processes at once, and clear errors. */
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { errnoOf, UserError } from '../base/errors.js';
import { fileError } from '../base/files.js';
import { migrations } from './schema.js';

export type Connection = Database.Database;

/** How long one process waits for another's write. */
const BUSY_TIMEOUT_MS = 10_000;
const RETRY_MS = 50;

const PROBLEMS: [RegExp, code: string, text: string, hint: string][] = [
  [
    /^SQLITE_NOTADB|^SQLITE_CORRUPT/,
    'database-corrupt',
    'is not a healthy kvd database',
    'See what is left with `kvd runs doctor`, restore it from a backup, or name another file with --db.',
  ],
  [
    /^SQLITE_READONLY|^SQLITE_CANTOPEN|^SQLITE_PERM/,
    'database-unwritable',
    'cannot be written',
    'Check the permissions, or name another file with --db.',
  ],
  [
    /^SQLITE_FULL/,
    'disk-full',
    'no space left on the device',
    'Free some space and run the command again; what is stored is kept.',
  ],
  [
    /^SQLITE_BUSY/,
    'database-busy',
    'is locked by another process',
    'Wait for the other process, then run the command again.',
  ],
  [
    /^SQLITE_IOERR/,
    'database-io',
    'cannot be read or written',
    'Check the disk, its quota or the network share, or name another file with --db; what is stored is kept.',
  ],
  [
    /^SQLITE_CONSTRAINT_FOREIGNKEY/,
    'run-deleted',
    'the run was deleted while it was being written',
    'Start it again.',
  ],
];

/** A SQLite or system error about the database at `path` as a UserError; anything else unchanged. */
export function databaseError(error: unknown, path: string): unknown {
  const code = errnoOf(error) ?? '';
  const problem = PROBLEMS.find(([pattern]) => pattern.test(code));
  if (problem === undefined) return fileError(error, path);
  return new UserError(problem[1], problem[2], { where: path, hint: problem[3], exitCode: 1, cause: error });
}

/** Number of the schema that a database holds; 0 where it is empty. */
export function schemaVersion(connection: Connection): number {
  return connection.pragma('user_version', { simple: true }) as number;
}

/** Refuses, before anything is changed, what another program or a newer kvd has written. */
function assertOurs(connection: Connection, path: string): void {
  const version = schemaVersion(connection);
  if (version > migrations.length) {
    throw new UserError(
      'newer-database',
      `was written by a newer kvd (schema ${version}, this one knows ${migrations.length})`,
      { where: path, hint: 'Update kvd, or name another file with --db.' },
    );
  }
  const names = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all();
  if (version === 0 ? names.length > 0 : !names.includes('runs')) {
    throw new UserError('foreign-database', 'is a database of another program', {
      where: path,
      hint: 'Name another file with --db.',
    });
  }
}

/** Brings the schema up to date; of several processes at once, one does it and the others wait. */
function migrate(connection: Connection, path: string): void {
  if (schemaVersion(connection) === migrations.length) return;
  connection
    .transaction(() => {
      assertOurs(connection, path);
      for (let next = schemaVersion(connection); next < migrations.length; next++) {
        connection.exec(migrations[next]!);
        connection.pragma(`user_version = ${next + 1}`);
      }
    })
    .immediate();
}

function tune(connection: Connection): void {
  connection.pragma('synchronous = NORMAL');
  connection.pragma('foreign_keys = ON');
}

/**
 * Has changes written to a log beside the database. Two processes that make one at once may both be told that it is
 * busy, without being made to wait as for a write: each tries again.
 */
function logAhead(connection: Connection): void {
  const started = performance.now();
  for (;;) {
    try {
      connection.pragma('journal_mode = WAL');
      return;
    } catch (error) {
      const busy = errnoOf(error)?.startsWith('SQLITE_BUSY') === true;
      if (!busy || performance.now() - started > BUSY_TIMEOUT_MS) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS * (0.5 + Math.random()));
    }
  }
}

function open(path: string): Connection {
  if (!existsSync(path)) mkdirSync(dirname(path), { recursive: true });
  const connection = new Database(path, { timeout: BUSY_TIMEOUT_MS });
  try {
    connection.transaction(() => assertOurs(connection, path))();
    logAhead(connection);
    tune(connection);
    migrate(connection, path);
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

/**
 * The database at `path` as a copy in memory, for a folder in which nothing can be written: SQLite cannot open one
 * that keeps a log beside it there.
 */
function openCopy(path: string, cause: unknown): Connection {
  if ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) throw cause;
  const bytes = readFileSync(path);
  // Of the header, the versions of the format: 2 stands for a log beside the file, 1 for none.
  bytes.fill(1, 18, 20);
  return new Database(bytes, { readonly: true });
}

function openFile(path: string): Connection {
  const connection = new Database(path, { timeout: BUSY_TIMEOUT_MS, readonly: true });
  try {
    schemaVersion(connection);
    return connection;
  } catch (error) {
    connection.close();
    if (/^SQLITE_(CANTOPEN|READONLY)/.test(errnoOf(error) ?? '')) return openCopy(path, error);
    throw error;
  }
}

/** Opens a database that is there for reading only; only one of an older schema is written to, to update it. */
function openReadonly(path: string): Connection {
  if (!existsSync(path)) {
    throw new UserError('no-database', 'no results are stored there yet', {
      where: path,
      hint: 'Run `kvd eval` or `kvd reproduce` first, or name another file with --db.',
    });
  }
  const connection = openFile(path);
  try {
    connection.transaction(() => assertOurs(connection, path))();
    if (schemaVersion(connection) === migrations.length) {
      tune(connection);
      return connection;
    }
  } catch (error) {
    connection.close();
    throw error;
  }
  connection.close();
  return open(path);
}

/**
 * Opens the database, making or updating it where needed.
 * @param options.readonly the file must be there, and is not written to
 */
export function connect(path: string, options: { readonly?: boolean } = {}): Connection {
  if (path === '') {
    throw new UserError('no-database', 'the name of the database is empty', {
      hint: 'Name a file with --db.',
    });
  }
  try {
    return options.readonly === true ? openReadonly(path) : open(path);
  } catch (error) {
    if (error instanceof TypeError) {
      throw new UserError('database-unwritable', error.message, { where: path, exitCode: 1 });
    }
    throw databaseError(error, path);
  }
}
