/** Runs as plain records, one after another: what an export holds, and what one store takes over from another. */
import type { Statement } from 'better-sqlite3';
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import type { Connection } from './connection.js';

const text = z.string();
const maybe = text.nullable();
const json = text.refine((value) => {
  try {
    JSON.parse(value);
    return true;
  } catch {
    return false;
  }
}, 'is not JSON');

const run = z.strictObject({
  id: text.regex(/^[\w-]{1,64}$/),
  kind: text,
  name: text,
  config: json,
  config_hash: text,
  status: z.enum(['running', 'finished', 'failed', 'interrupted']),
  seed: z.int(),
  code_version: text,
  git_commit: maybe,
  engine: json,
  machine: json,
  started_at: text,
  ended_at: maybe,
  error: maybe,
});
const metric = z.strictObject({ step: z.int(), name: text, value: z.number().nullable(), at: text });
const artifact = z.strictObject({ kind: text, path: text, sha256: text });
const cell = z.strictObject({
  model: text,
  method: text,
  method_options: text,
  adapter_hash: maybe,
  budget: text,
  budget_label: text,
  retention: z.number().nullable(),
  task: text,
  task_version: z.int(),
  split: text,
  seed: z.int(),
  eviction: z.enum(['real', 'masked']),
});
const sample = z.strictObject({
  sample_id: text,
  prompt: text,
  output: text,
  refs: json,
  tags: json,
  metrics: json,
  context_tokens: z.int(),
  kept_tokens: z.int(),
  bytes_before: z.int(),
  bytes_after: z.int(),
  compress_seconds: z.number(),
  generate_seconds: z.number(),
  at: text,
});

/** One row, by the singular of its table. A metric, artifact or cell is of the run before it, a sample of the cell. */
export const storeRecord = z.union([
  z.strictObject({ run }),
  z.strictObject({ metric }),
  z.strictObject({ artifact }),
  z.strictObject({ cell }),
  z.strictObject({ sample }),
]);
export type StoreRecord = z.output<typeof storeRecord>;

const columns = (schema: z.ZodObject): string => Object.keys(schema.shape).join(', ');

/** What a merge did. */
export interface Merged {
  /** Runs that were not there before. */
  runs: number;
  metrics: number;
  samples: number;
}

/** All that is stored of the runs with these ids, or of all. */
export function* readRecords(
  connection: Connection,
  ids: readonly string[] | undefined,
): Generator<StoreRecord> {
  const query = (sql: string): Statement<unknown[]> => connection.prepare(sql);
  const runs = query(`SELECT ${columns(run)} FROM runs ORDER BY rowid`).all() as z.output<typeof run>[];
  const metrics = query(`SELECT ${columns(metric)} FROM metrics WHERE run_id = ? ORDER BY name, step`);
  const artifacts = query(`SELECT ${columns(artifact)} FROM artifacts WHERE run_id = ?`);
  const cells = query(`SELECT id, ${columns(cell)} FROM cells WHERE run_id = ? ORDER BY id`);
  const samples = query(`SELECT ${columns(sample)} FROM samples WHERE cell_id = ? ORDER BY sample_id`);
  for (const one of runs) {
    if (ids !== undefined && !ids.includes(one.id)) continue;
    yield { run: one };
    for (const row of metrics.all(one.id)) yield { metric: row as z.output<typeof metric> };
    for (const row of artifacts.all(one.id)) yield { artifact: row as z.output<typeof artifact> };
    for (const { id, ...row } of cells.all(one.id) as (z.output<typeof cell> & { id: number })[]) {
      yield { cell: row };
      for (const of of samples.all(id)) yield { sample: of as z.output<typeof sample> };
    }
  }
}

function insertOf(table: string, schema: z.ZodObject, owner?: string): string {
  const names = [...(owner === undefined ? [] : [owner]), ...Object.keys(schema.shape)];
  return `INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map((name) => `@${name}`).join(', ')}) ON CONFLICT DO NOTHING`;
}

type RunRecord = z.output<typeof run>;

/** The run that takes in `record`: the one of its id, or an unfinished half of the same evaluation. */
function hostOf(connection: Connection, record: RunRecord): RunRecord | undefined {
  const own = connection.prepare('SELECT * FROM runs WHERE id = ?').get(record.id) as RunRecord | undefined;
  if (own !== undefined && (own.kind !== record.kind || own.config_hash !== record.config_hash)) {
    throw new UserError('run-conflict', `run ${record.id} is there already, with another configuration`, {
      hint: 'Import into another database with --db.',
      exitCode: 1,
    });
  }
  if (own !== undefined || record.kind !== 'eval') return own;
  return connection
    .prepare(
      `SELECT * FROM runs WHERE kind = 'eval' AND config_hash = @config_hash
         AND (status <> 'finished' OR @status <> 'finished') ORDER BY rowid DESC LIMIT 1`,
    )
    .get(record) as RunRecord | undefined;
}

/** The later state of a run: finished before all, then the one that ended last; one that goes on never replaces another. */
function isLater(record: RunRecord, host: RunRecord): boolean {
  if (host.status === 'finished' || record.ended_at === null) return false;
  return record.status === 'finished' || host.ended_at === null || record.ended_at > host.ended_at;
}

/**
 * Takes over records in one transaction: all of them, or none. What is there already stays as it is, so that merging
 * twice changes nothing.
 */
export function mergeRecords(connection: Connection, records: Iterable<StoreRecord>): Merged {
  const merged: Merged = { runs: 0, metrics: 0, samples: 0 };
  const insertRun = connection.prepare(insertOf('runs', run));
  const setState = connection.prepare(
    'UPDATE runs SET status = @status, ended_at = @ended_at, error = @error WHERE id = @host',
  );
  const insertMetric = connection.prepare(insertOf('metrics', metric, 'run_id'));
  const insertArtifact = connection.prepare(insertOf('artifacts', artifact, 'run_id'));
  const insertCell = connection.prepare(insertOf('cells', cell, 'run_id'));
  const cellId = connection
    .prepare(
      `SELECT id FROM cells WHERE run_id = @run_id AND model = @model AND method = @method
         AND method_options = @method_options AND budget = @budget`,
    )
    .pluck();
  const insertSample = connection.prepare(insertOf('samples', sample, 'cell_id'));
  let owner: string | undefined;
  let place: number | undefined;
  const need = <T>(value: T | undefined, what: string): T => {
    if (value === undefined) throw new UserError('bad-export', `a ${what} is missing before its rows`);
    return value;
  };
  connection
    .transaction(() => {
      for (const record of records) {
        if ('run' in record) {
          const host = hostOf(connection, record.run);
          owner = host?.id ?? record.run.id;
          place = undefined;
          if (host === undefined) merged.runs += insertRun.run(record.run).changes;
          else if (isLater(record.run, host)) setState.run({ ...record.run, host: host.id });
        } else if ('metric' in record) {
          merged.metrics += insertMetric.run({ ...record.metric, run_id: need(owner, 'run') }).changes;
        } else if ('artifact' in record) {
          insertArtifact.run({ ...record.artifact, run_id: need(owner, 'run') });
        } else if ('cell' in record) {
          const row = { ...record.cell, run_id: need(owner, 'run') };
          insertCell.run(row);
          place = cellId.get(row) as number;
        } else {
          merged.samples += insertSample.run({ ...record.sample, cell_id: need(place, 'cell') }).changes;
        }
      }
    })
    .immediate();
  return merged;
}
