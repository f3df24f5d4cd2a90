/** Runs, their metrics, and every evaluated sample: all SQL lives in this room. */
import type { Statement } from 'better-sqlite3';
import { UserError } from '../base/errors.js';
import { suggestion } from '../base/suggest.js';
import { connect, databaseError, type Connection } from './connection.js';
import { mergeRecords, readRecords, type Merged, type StoreRecord } from './records.js';
import type { CellSpec, Origin, RunRow, RunSpec, RunStatus, SampleRow } from './rows.js';
import { summarise, summariseTags, type CellSummary, type TagSummary } from './summaries.js';

export type { Merged, StoreRecord } from './records.js';
export type { CellRow, CellSpec, Origin, RunRow, RunSpec, RunStatus, SampleRow } from './rows.js';
export type { CellSummary, TagSummary } from './summaries.js';

const RUN_COLUMNS = `id, kind, name, config, config_hash AS configHash, status, seed, code_version AS codeVersion,
  git_commit AS gitCommit, engine, machine, started_at AS startedAt, ended_at AS endedAt, error`;

type Raw = Record<string, unknown>;

/** JSON has no NaN: what was not finite is stored as null, and is not there when read again. */
function dropNull(_key: string, value: unknown): unknown {
  return value ?? undefined;
}

function parseRun(raw: Raw): RunRow {
  const parsed = { ...raw };
  for (const key of ['config', 'engine', 'machine']) parsed[key] = JSON.parse(raw[key] as string);
  return parsed as unknown as RunRow;
}

const RANDOM_DIGITS = 4;
/** Ids as they are made here; those of imported runs may be others. */
const OWN_ID = new RegExp(`^[0-9a-z]{8}[0-9a-z]{${RANDOM_DIGITS}}$`);

/**
 * Milliseconds since 1970 and four random digits, base 36, above `newest` even if the clock was set back; two processes
 * may still draw the same one.
 */
function newId(newest: string | undefined): string {
  const before =
    newest !== undefined && OWN_ID.test(newest) ? parseInt(newest.slice(0, -RANDOM_DIGITS), 36) : 0;
  const random = Math.floor(Math.random() * 36 ** RANDOM_DIGITS);
  const time = Math.max(Date.now(), before + 1);
  return time.toString(36) + random.toString(36).padStart(RANDOM_DIGITS, '0');
}

export class Store {
  private constructor(
    private readonly connection: Connection,
    readonly path: string,
  ) {}

  /**
   * Opens the database at `path`, making it where it is not there; every problem is a UserError.
   * @param options.readonly for those who only look: a missing file is an error and nothing is written
   */
  static open(path: string, options: { readonly?: boolean } = {}): Store {
    return new Store(connect(path, options), path);
  }

  private guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw databaseError(error, this.path);
    }
  }

  private readonly statements = new Map<string, Statement>();

  /** Prepared once a connection. */
  private prepare(sql: string): Statement {
    const statement = this.statements.get(sql) ?? this.connection.prepare(sql);
    this.statements.set(sql, statement);
    return statement;
  }

  private all(sql: string, ...values: unknown[]): Raw[] {
    return this.guard(() => this.prepare(sql).all(...values) as Raw[]);
  }

  private change(sql: string, ...values: unknown[]): void {
    this.guard(() => this.prepare(sql).run(...values));
  }

  /** Stores the configuration before the work begins. @returns the run's id, above all others' */
  createRun(spec: RunSpec): string {
    const insert = this.prepare(
      `INSERT INTO runs (id, kind, name, config, config_hash, status, seed, code_version, git_commit, engine, machine, started_at)
       VALUES (?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
    );
    for (;;) {
      const [newest] = this.all('SELECT id FROM runs ORDER BY id DESC LIMIT 1');
      const id = newId(newest?.id as string | undefined);
      const { changes } = this.guard(() =>
        insert.run(
          id,
          spec.kind,
          spec.name,
          JSON.stringify(spec.config),
          spec.configHash,
          spec.seed,
          spec.codeVersion,
          spec.gitCommit,
          JSON.stringify(spec.engine),
          JSON.stringify(spec.machine),
          new Date().toISOString(),
        ),
      );
      if (changes === 1) return id;
    }
  }

  /** The run of this kind and configuration, made where there is none; of several processes at once, one makes it. */
  openRun(spec: RunSpec): string {
    return this.guard(() =>
      this.connection.transaction(() => this.findRun(spec)?.id ?? this.createRun(spec)).immediate(),
    );
  }

  setStatus(id: string, status: RunStatus, error: string | null = null): void {
    const ended = status === 'running' ? null : new Date().toISOString();
    const sql = 'UPDATE runs SET status = ?, ended_at = max(?, started_at), error = ? WHERE id = ?';
    this.change(sql, status, ended, error, id);
  }

  /** Marks a run of which others may do the rest as interrupted, unless one of them has finished it meanwhile. */
  leaveUnfinished(id: string): void {
    const sql =
      "UPDATE runs SET status = 'interrupted', ended_at = max(?, started_at) WHERE id = ? AND status <> 'finished'";
    this.change(sql, new Date().toISOString(), id);
  }

  /** The newest run of this kind and configuration; a finished one before others, whatever the clock said. */
  findRun(query: { kind: string; configHash: string }): RunRow | undefined {
    const [raw] = this.all(
      `SELECT ${RUN_COLUMNS} FROM runs WHERE kind = ? AND config_hash = ?
         ORDER BY status = 'finished' DESC, rowid DESC LIMIT 1`,
      query.kind,
      query.configHash,
    );
    return raw === undefined ? undefined : parseRun(raw);
  }

  /** The run with this id, or whose id alone begins so. */
  run(id: string): RunRow {
    const found = this.all(
      `SELECT ${RUN_COLUMNS} FROM runs WHERE substr(id, 1, length(?)) = ? LIMIT 2`,
      id,
      id,
    );
    if (found.length === 1) return parseRun(found[0]!);
    const ids = this.all('SELECT id FROM runs ORDER BY id DESC LIMIT 20').map((raw) => raw.id as string);
    throw new UserError(
      'unknown-run',
      found.length === 0 ? `no run "${id}"` : `several runs begin with "${id}"`,
      {
        where: this.path,
        hint: ids.length === 0 ? 'No run is stored yet.' : suggestion(id, ids),
      },
    );
  }

  /** Runs, newest first. */
  listRuns(query: { kind?: string | undefined; limit?: number | undefined } = {}): RunRow[] {
    const where = query.kind === undefined ? '' : 'WHERE kind = ?';
    const values = query.kind === undefined ? [] : [query.kind];
    const sql = `SELECT ${RUN_COLUMNS} FROM runs ${where} ORDER BY id DESC LIMIT ?`;
    return this.all(sql, ...values, query.limit ?? -1).map(parseRun);
  }

  /** What made runs, these alone where ids are given: of each code, commit and machine one, the newest first. */
  origins({ ids, except }: { ids?: ReadonlySet<string> | undefined; except: string }): Origin[] {
    const chosen = ids === undefined ? '' : 'AND id IN (SELECT value FROM json_each(?))';
    const values = ids === undefined ? [] : [JSON.stringify([...ids])];
    const sql = `SELECT code_version AS codeVersion, git_commit AS gitCommit, machine, count(*) AS runs,
        total(round(1000 * (unixepoch(ended_at, 'subsec') - unixepoch(started_at, 'subsec')))) / 1000 AS seconds
      FROM runs WHERE kind <> ? ${chosen} GROUP BY 1, 2, 3 ORDER BY max(id) DESC`;
    return this.all(sql, except, ...values).map(
      (raw) => ({ ...raw, machine: JSON.parse(raw.machine as string) as unknown }) as unknown as Origin,
    );
  }

  deleteRun(id: string): void {
    this.change('DELETE FROM runs WHERE id = ?', id);
  }

  /** Training metrics of one step; a step logged again after a resume replaces the old values. */
  addMetrics(runId: string, step: number, values: Record<string, number>): void {
    this.guard(() => {
      const insert = this.prepare('INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?, ?)');
      const at = new Date().toISOString();
      this.connection
        .transaction(() => {
          for (const [name, value] of Object.entries(values)) insert.run(runId, step, name, value, at);
        })
        .immediate();
    });
  }

  metrics(runId: string): { step: number; name: string; value: number }[] {
    return this.all(
      'SELECT step, name, value FROM metrics WHERE run_id = ? ORDER BY name, step',
      runId,
    ) as never;
  }

  /** The cell of a run, made where it is not there yet. */
  openCell(runId: string, spec: CellSpec): number {
    this.change(
      `INSERT INTO cells (run_id, model, method, method_options, adapter_hash, budget, budget_label, retention,
         task, task_version, split, seed, eviction) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (run_id, model, method, method_options, budget) DO NOTHING`,
      runId,
      spec.model,
      spec.method,
      spec.methodOptions,
      spec.adapterHash,
      spec.budget,
      spec.budgetLabel,
      spec.retention,
      spec.task,
      spec.taskVersion,
      spec.split,
      spec.seed,
      spec.eviction,
    );
    const [raw] = this.all(
      'SELECT id FROM cells WHERE run_id = ? AND model = ? AND method = ? AND method_options = ? AND budget = ?',
      runId,
      spec.model,
      spec.method,
      spec.methodOptions,
      spec.budget,
    );
    return raw!.id as number;
  }

  /** Ids of the samples that a cell holds already. */
  doneSamples(cellId: number): Set<string> {
    const rows = this.all('SELECT sample_id AS id FROM samples WHERE cell_id = ?', cellId);
    return new Set(rows.map((raw) => raw.id as string));
  }

  /** Stores samples in one transaction; one that is there already is left as it is. */
  addSamples(cellId: number, samples: readonly SampleRow[]): void {
    this.guard(() => {
      const insert = this.prepare(
        `INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (cell_id, sample_id) DO NOTHING`,
      );
      const at = new Date().toISOString();
      this.connection
        .transaction(() => {
          for (const s of samples) {
            insert.run(
              cellId,
              s.sampleId,
              s.prompt,
              s.output,
              JSON.stringify(s.references),
              JSON.stringify(s.tags),
              JSON.stringify(s.metrics),
              s.contextTokens,
              s.keptTokens,
              s.bytesBefore,
              s.bytesAfter,
              s.seconds.compress,
              s.seconds.generate,
              at,
            );
          }
        })
        .immediate();
    });
  }

  /** A cell's samples in the order of their ids. */
  samples(cellId: number): SampleRow[] {
    return this.all('SELECT * FROM samples WHERE cell_id = ? ORDER BY sample_id', cellId).map((raw) => ({
      sampleId: raw.sample_id as string,
      prompt: raw.prompt as string,
      output: raw.output as string,
      references: JSON.parse(raw.refs as string) as string[],
      tags: JSON.parse(raw.tags as string) as string[],
      metrics: JSON.parse(raw.metrics as string, dropNull) as Record<string, number>,
      contextTokens: raw.context_tokens as number,
      keptTokens: raw.kept_tokens as number,
      bytesBefore: raw.bytes_before as number,
      bytesAfter: raw.bytes_after as number,
      seconds: { compress: raw.compress_seconds as number, generate: raw.generate_seconds as number },
    }));
  }

  /** Cells of the given runs (of all where none are given) with the means over their samples. */
  cellSummaries(runIds?: readonly string[]): CellSummary[] {
    return this.guard(() => summarise(this.connection, runIds));
  }

  /** Mean of a metric over the samples of a cell that carry each tag, such as `depth=50`. */
  tagSummaries(cellId: number, metric: string): (TagSummary & { tag: string })[] {
    return this.guard(() =>
      summariseTags(this.connection, cellId, metric, 'tag').map(({ key, ...rest }) => ({
        tag: key,
        ...rest,
      })),
    );
  }

  /** The same over the samples that carry the same tags, such as `length=512` and `depth=50`. */
  tagSetSummaries(cellId: number, metric: string): (TagSummary & { tags: string[] })[] {
    return this.guard(() =>
      summariseTags(this.connection, cellId, metric, 'tags').map(({ key, ...rest }) => ({
        tags: JSON.parse(key) as string[],
        ...rest,
      })),
    );
  }

  addArtifact(runId: string, artifact: { kind: string; path: string; sha256: string }): void {
    const { kind, path, sha256 } = artifact;
    this.change('INSERT OR REPLACE INTO artifacts VALUES (?, ?, ?, ?)', runId, kind, path, sha256);
  }

  artifacts(runId: string): { kind: string; path: string; sha256: string }[] {
    return this.all('SELECT kind, path, sha256 FROM artifacts WHERE run_id = ?', runId) as never;
  }

  /** Gives `use` all that is stored of these runs (of all where none are given), as it stood at one moment. */
  withRecords<T>(runIds: readonly string[] | undefined, use: (records: Iterable<StoreRecord>) => T): T {
    return this.guard(() => this.connection.transaction(() => use(readRecords(this.connection, runIds)))());
  }

  /** Takes over runs of another store, all or nothing; doing it twice changes nothing. */
  merge(records: Iterable<StoreRecord>): Merged {
    return this.guard(() => mergeRecords(this.connection, records));
  }

  /** Writes a copy of the whole database into a file that must not be there, while others go on writing. */
  copyTo(file: string): void {
    this.guard(() => this.connection.prepare('VACUUM INTO ?').run(file));
  }

  close(): void {
    this.connection.close();
  }
}
