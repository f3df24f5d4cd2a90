/** Opening the database: migrations, several processes at once, and clear errors. */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { errnoOf, UserError } from '../base/errors.js';
import { fileError } from '../base/files.js';
import { migrations } from './schema.js';

export type Connection = Database.Database;

const PROBLEMS: [RegExp, code: string, text: string, hint: string][] = [
  [
    /^SQLITE_NOTADB|^SQLITE_CORRUPT/,
    'database-corrupt',
    'is not a healthy kvd database',
    'Restore it from a backup, or name another file with --db.',
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
    'Check the disk, or name another file with --db.',
  ],
];

/** A SQLite or system error about the database at `path` as a UserError; anything else unchanged. */
export function databaseError(error: unknown, path: string): unknown {
  const code = errnoOf(error) ?? '';
  const problem = PROBLEMS.find(([pattern]) => pattern.test(code));
  if (problem === undefined) return fileError(error, path);
  return new UserError(problem[1], problem[2], { where: path, hint: problem[3], exitCode: 1, cause: error });
}

function migrate(connection: Connection, path: string): void {
  const version = (): number => connection.pragma('user_version', { simple: true }) as number;
  if (version() < migrations.length) {
    connection
      .transaction(() => {
        for (let next = version(); next < migrations.length; next++) {
          connection.exec(migrations[next]!);
          connection.pragma(`user_version = ${next + 1}`);
        }
      })
      .immediate();
  }
  if (version() > migrations.length) {
    throw new UserError(
      'newer-database',
      `was written by a newer kvd (schema ${version()}, this one knows ${migrations.length})`,
      {
        where: path,
        hint: 'Update kvd, or name another file with --db.',
      },
    );
  }
}

/** Opens (and where needed makes or migrates) the database. */
export function connect(path: string): Connection {
  let connection: Connection | undefined;
  try {
    if (!existsSync(path)) mkdirSync(dirname(path), { recursive: true });
    connection = new Database(path, { timeout: 10_000 });
    connection.pragma('journal_mode = WAL');
    connection.pragma('synchronous = NORMAL');
    connection.pragma('foreign_keys = ON');
    migrate(connection, path);
    return connection;
  } catch (error) {
    connection?.close();
    if (error instanceof TypeError) {
      throw new UserError('database-unwritable', error.message, { where: path, exitCode: 1 });
    }
    throw databaseError(error, path);
  }
}
