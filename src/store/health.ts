/** Whether a database is sound, and what of a damaged one can still be read. */
import { existsSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { UserError } from '../base/errors.js';
import { connect, databaseError, schemaVersion, type Connection } from './connection.js';
import { migrations } from './schema.js';

export interface Health {
  path: string;
  bytes: number;
  /** Of the write-ahead log: what is committed but not yet moved into the file. */
  walBytes: number;
  schema: number;
  newestSchema: number;
  /** By status. */
  runs: Record<string, number>;
  /** What is wrong; empty where all is well. */
  problems: string[];
}

/** Sums over samples that differ from the stored ones by more than rounding. */
const WRONG_TOTALS = `SELECT count(*) FROM (
  SELECT cell_id, name, count(*) AS n, sum(value) AS total FROM sample_values GROUP BY cell_id, name
) AS fresh FULL JOIN totals USING (cell_id, name)
WHERE totals.n IS NOT fresh.n OR abs(totals.total - fresh.total) > 1e-6 * (1 + abs(fresh.total))`;

/** Runs `check`; what SQLite cannot read is one more problem. */
function attempt(problems: string[], what: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    problems.push(`${what}: ${(error as Error).message}`);
  }
}

/**
 * Reads the database at `path` whole, and changes nothing but a transaction that was cut short, which it rolls back;
 * not of ours or not there is a UserError.
 */
export function diagnoseDatabase(path: string): Health {
  if (!existsSync(path)) {
    throw new UserError('no-database', 'no results are stored there yet', { where: path });
  }
  const problems: string[] = [];
  const size = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const health: Health = {
    path,
    bytes: size(path),
    walBytes: size(`${path}-wal`),
    schema: 0,
    newestSchema: migrations.length,
    runs: {},
    problems,
  };
  let connection: Connection;
  try {
    // Until someone who may write has rolled a killed process's journal back, nobody can read the file.
    connection = new Database(path, { readonly: !existsSync(`${path}-journal`) });
  } catch (error) {
    throw databaseError(error, path);
  }
  try {
    attempt(problems, 'the header cannot be read', () => {
      health.schema = schemaVersion(connection);
    });
    if (health.schema > migrations.length) {
      problems.push(
        `was written by a newer kvd (schema ${health.schema}, this one knows ${migrations.length})`,
      );
    }
    attempt(problems, 'its pages cannot be read', () => {
      const lines = connection.prepare('PRAGMA integrity_check(20)').pluck().all() as string[];
      problems.push(...lines.filter((line) => line !== 'ok'));
    });
    attempt(problems, 'its references cannot be read', () => {
      const orphans = connection.pragma('foreign_key_check') as unknown[];
      if (orphans.length > 0)
        problems.push(`${orphans.length} rows belong to a run or cell that is not there`);
    });
    // Of schema 0 is a database whose first process was ended before it could make the tables.
    if (health.schema > 0)
      attempt(problems, 'its runs cannot be read', () => {
        const counts = connection.prepare('SELECT status, count(*) FROM runs GROUP BY status').raw().all();
        health.runs = Object.fromEntries(counts as [string, number][]);
      });
    if (health.schema >= 2 && health.schema <= migrations.length) {
      attempt(problems, 'its sums cannot be read', () => {
        const wrong = connection.prepare(WRONG_TOTALS).pluck().get() as number;
        if (wrong > 0) problems.push(`${wrong} sums differ from the samples that they stand for`);
      });
    }
    return health;
  } finally {
    connection.close();
  }
}

/** Rows rescued of each table. */
export type Rescued = Record<string, number>;

/** Tables in the order in which rows refer to rows, each with its key. Sums come back by their trigger. */
const TABLES: readonly [table: string, key: string][] = [
  ['runs', 'rowid'],
  ['metrics', 'run_id, name, step'],
  ['artifacts', 'run_id, kind, path'],
  ['cells', 'id'],
  ['samples', 'cell_id, sample_id'],
];

/** What stands in for runs and cells that are lost, so that what hangs on them is kept. */
const STAND_INS = `
  INSERT INTO cells SELECT id, 'lost', 'lost', 'lost', '{}', NULL, '' || id, 'lost', NULL, 'lost', 0, 'lost', 0, 'real'
    FROM (SELECT DISTINCT cell_id AS id FROM samples) WHERE id NOT IN (SELECT id FROM cells);
  INSERT INTO runs SELECT id, 'lost', 'lost', '{}', 'lost ' || id, 'interrupted', 0, 'lost', NULL, '{}', '{}', 'lost', NULL,
      'the row of this run was damaged'
    FROM (SELECT run_id AS id FROM metrics UNION SELECT run_id FROM artifacts UNION SELECT run_id FROM cells)
    WHERE id NOT IN (SELECT id FROM runs);`;

/** The rows of a table from one end up to the first that cannot be read. */
function* readable(source: Connection, sql: string): Generator<Record<string, unknown>> {
  try {
    yield* source.prepare(sql).iterate() as Iterable<Record<string, unknown>>;
  } catch (error) {
    if (!(error instanceof Database.SqliteError) || !/CORRUPT|IOERR|NOTADB/.test(error.code)) throw error;
  }
}

/** A damaged page hides those behind it: a table is read from both ends and, by its owners, from between. */
function* passes(source: Connection, table: string, key: string): Generator<Record<string, unknown>> {
  const backwards = key.replace(/(,|$)/g, ' DESC$1');
  yield* readable(source, `SELECT * FROM ${table} ORDER BY ${key}`);
  yield* readable(source, `SELECT * FROM ${table} ORDER BY ${backwards}`);
  const owner = key.split(', ').length > 1 ? key.split(', ')[0]! : undefined;
  if (owner === undefined) return;
  const owners = [
    ...readable(source, owner === 'cell_id' ? 'SELECT id FROM cells' : 'SELECT id FROM runs NOT INDEXED'),
  ];
  for (const { id } of owners) {
    const one = typeof id === 'number' ? `${id}` : `'${String(id).replaceAll("'", "''")}'`;
    yield* readable(source, `SELECT * FROM ${table} WHERE ${owner} = ${one} ORDER BY ${key}`);
    yield* readable(source, `SELECT * FROM ${table} WHERE ${owner} = ${one} ORDER BY ${backwards}`);
  }
}

/**
 * Copies every row that can still be read into a new database; the damaged one is only read. Rows to which only a
 * damaged inner page leads are not found.
 */
export function salvageDatabase(path: string, into: string): Rescued {
  if (existsSync(into)) {
    throw new UserError('file-exists', 'exists already', { where: into, hint: 'Name a new file.' });
  }
  const target = connect(into);
  let source: Connection | undefined;
  try {
    source = new Database(path, { readonly: true, fileMustExist: true });
    source.pragma('cell_size_check = ON');
    target.pragma('foreign_keys = OFF');
    const rescued: Rescued = {};
    for (const [table, key] of TABLES) {
      const known = target
        .prepare(`SELECT * FROM ${table} LIMIT 0`)
        .columns()
        .map(({ name }) => name);
      const insert = target.prepare(
        `INSERT OR IGNORE INTO ${table} (${known.join(', ')}) VALUES (${known.map((name) => `@${name}`).join(', ')})`,
      );
      rescued[table] = 0;
      target.transaction(() => {
        for (const row of passes(source!, table, key)) {
          try {
            rescued[table]! += insert.run(row).changes;
          } catch (error) {
            // A row whose values are damaged.
            if (!/CONSTRAINT|MISMATCH/.test((error as { code?: string }).code ?? '')) throw error;
          }
        }
      })();
    }
    target.exec(STAND_INS);
    return rescued;
  } catch (error) {
    throw databaseError(error, path);
  } finally {
    source?.close();
    target.close();
  }
}
