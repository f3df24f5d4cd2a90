/** Runs, their metrics, and every evaluated sample: all SQL lives in this room. */
import { UserError } from '../base/errors.js';
import { suggestion } from '../base/suggest.js';
import { connect, databaseError, type Connection } from './connection.js';

export type RunStatus = 'running' | 'finished' | 'failed' | 'interrupted';

export interface RunSpec {
  kind: string;
  name: string;
  /** Resolved configuration, stored as JSON. */
  config: unknown;
  configHash: string;
  seed: number;
  engine: unknown;
  machine: unknown;
  codeVersion: string;
  gitCommit: string | null;
}

export interface RunRow extends Omit<RunSpec, 'config' | 'engine' | 'machine'> {
  id: string;
  config: Record<string, unknown>;
  engine: Record<string, unknown>;
  machine: Record<string, unknown>;
  status: RunStatus;
  startedAt: string;
  endedAt: string | null;
  error: string | null;
}

export interface CellSpec {
  model: string;
  method: string;
  /** Canonical JSON. */
  methodOptions: string;
  adapterHash: string | null;
  /** Canonical JSON. */
  budget: string;
  budgetLabel: string;
  retention: number | null;
  task: string;
  taskVersion: number;
  split: string;
  seed: number;
  eviction: 'real' | 'masked';
}

export interface CellRow extends CellSpec {
  id: number;
  runId: string;
}

/** One evaluated sample (evaluation's SampleResult). */
export interface SampleRow {
  sampleId: string;
  prompt: string;
  output: string;
  references: readonly string[];
  tags: readonly string[];
  metrics: Record<string, number>;
  contextTokens: number;
  keptTokens: number;
  bytesBefore: number;
  bytesAfter: number;
  seconds: { compress: number; generate: number };
}

/** Means over a cell's samples. */
export interface CellSummary extends CellRow {
  n: number;
  metrics: Record<string, number>;
  /** Standard error of each mean over the samples, √((E[x²] − E[x]²) / n): binomial for marks of 0 and 1. */
  stderrs: Record<string, number>;
  contextTokens: number;
  keptTokens: number;
  bytesBefore: number;
  bytesAfter: number;
  compressSeconds: number;
  generateSeconds: number;
}

const CELL_COLUMNS = `cells.id AS id, run_id AS runId, model, method, method_options AS methodOptions,
  adapter_hash AS adapterHash, budget, budget_label AS budgetLabel, retention, task,
  task_version AS taskVersion, split, seed, eviction`;

const RUN_COLUMNS = `id, kind, name, config, config_hash AS configHash, status, seed, code_version AS codeVersion,
  git_commit AS gitCommit, engine, machine, started_at AS startedAt, ended_at AS endedAt, error`;

type Raw = Record<string, unknown>;

function parseRun(raw: Raw): RunRow {
  const parsed = { ...raw };
  for (const key of ['config', 'engine', 'machine']) parsed[key] = JSON.parse(raw[key] as string);
  return parsed as unknown as RunRow;
}

/** `WHERE run_id IN (…)`, or nothing where all runs are meant. */
function inRuns(runIds: readonly string[] | undefined): { clause: string; values: readonly string[] } {
  if (runIds === undefined) return { clause: '', values: [] };
  return { clause: `WHERE run_id IN (${runIds.map(() => '?').join(',')})`, values: runIds };
}

export class Store {
  private constructor(
    private readonly connection: Connection,
    readonly path: string,
  ) {}

  /** Opens the database at `path`, making it where it is not there; every problem is a UserError. */
  static open(path: string): Store {
    return new Store(connect(path), path);
  }

  private guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw databaseError(error, this.path);
    }
  }

  private all(sql: string, ...values: unknown[]): Raw[] {
    return this.guard(() => this.connection.prepare(sql).all(...values) as Raw[]);
  }

  private change(sql: string, ...values: unknown[]): void {
    this.guard(() => this.connection.prepare(sql).run(...values));
  }

  /** Stores the configuration before the work begins. @returns the run's id, sortable by time */
  createRun(spec: RunSpec): string {
    const id =
      Date.now().toString(36) +
      Math.floor(Math.random() * 36 ** 4)
        .toString(36)
        .padStart(4, '0');
    this.change(
      `INSERT INTO runs (id, kind, name, config, config_hash, status, seed, code_version, git_commit, engine, machine, started_at)
       VALUES (?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, ?, ?)`,
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
    );
    return id;
  }

  setStatus(id: string, status: RunStatus, error: string | null = null): void {
    const ended = status === 'running' ? null : new Date().toISOString();
    this.change('UPDATE runs SET status = ?, ended_at = ?, error = ? WHERE id = ?', status, ended, error, id);
  }

  /** The newest run of this kind and configuration. */
  findRun(query: { kind: string; configHash: string }): RunRow | undefined {
    const [raw] = this.all(
      `SELECT ${RUN_COLUMNS} FROM runs WHERE kind = ? AND config_hash = ? ORDER BY started_at DESC LIMIT 1`,
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
    const ids = this.all('SELECT id FROM runs ORDER BY started_at DESC LIMIT 20').map(
      (raw) => raw.id as string,
    );
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
    const sql = `SELECT ${RUN_COLUMNS} FROM runs ${where} ORDER BY started_at DESC LIMIT ?`;
    return this.all(sql, ...values, query.limit ?? -1).map(parseRun);
  }

  deleteRun(id: string): void {
    this.change('DELETE FROM runs WHERE id = ?', id);
  }

  /** Training metrics of one step; a step logged again after a resume replaces the old values. */
  addMetrics(runId: string, step: number, values: Record<string, number>): void {
    this.guard(() => {
      const insert = this.connection.prepare('INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?, ?)');
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
      `INSERT OR IGNORE INTO cells (run_id, model, method, method_options, adapter_hash, budget, budget_label, retention,
         task, task_version, split, seed, eviction) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
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
      const insert = this.connection.prepare(
        `INSERT OR IGNORE INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
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
      metrics: JSON.parse(raw.metrics as string) as Record<string, number>,
      contextTokens: raw.context_tokens as number,
      keptTokens: raw.kept_tokens as number,
      bytesBefore: raw.bytes_before as number,
      bytesAfter: raw.bytes_after as number,
      seconds: { compress: raw.compress_seconds as number, generate: raw.generate_seconds as number },
    }));
  }

  /** Cells of the given runs (of all where none are given) with the means over their samples. */
  cellSummaries(runIds?: readonly string[]): CellSummary[] {
    const { clause, values } = inRuns(runIds);
    const cells = this.all(
      `SELECT ${CELL_COLUMNS}, count(*) AS n, avg(context_tokens) AS contextTokens, avg(kept_tokens) AS keptTokens,
         avg(bytes_before) AS bytesBefore, avg(bytes_after) AS bytesAfter,
         avg(compress_seconds) AS compressSeconds, avg(generate_seconds) AS generateSeconds
       FROM cells JOIN samples ON samples.cell_id = cells.id ${clause} GROUP BY cells.id ORDER BY cells.id`,
      ...values,
    ) as unknown as CellSummary[];
    const means = new Map<number, Record<string, number>>();
    const stderrs = new Map<number, Record<string, number>>();
    const marks = this.all(
      `SELECT cell_id AS cellId, key, count(*) AS n, avg(value) AS mean, avg(value * value) AS square FROM samples JOIN cells ON cells.id = samples.cell_id,
         json_each(samples.metrics) ${clause} GROUP BY cell_id, key`,
      ...values,
    );
    for (const { cellId, key, n, mean, square } of marks as {
      cellId: number;
      key: string;
      n: number;
      mean: number;
      square: number;
    }[]) {
      means.set(cellId, { ...means.get(cellId), [key]: mean });
      stderrs.set(cellId, { ...stderrs.get(cellId), [key]: Math.sqrt(Math.max(0, square - mean ** 2) / n) });
    }
    return cells.map((cell) => ({
      ...cell,
      metrics: means.get(cell.id) ?? {},
      stderrs: stderrs.get(cell.id) ?? {},
    }));
  }

  addArtifact(runId: string, artifact: { kind: string; path: string; sha256: string }): void {
    const { kind, path, sha256 } = artifact;
    this.change('INSERT OR REPLACE INTO artifacts VALUES (?, ?, ?, ?)', runId, kind, path, sha256);
  }

  artifacts(runId: string): { kind: string; path: string; sha256: string }[] {
    return this.all('SELECT kind, path, sha256 FROM artifacts WHERE run_id = ?', runId) as never;
  }

  close(): void {
    this.connection.close();
  }
}
