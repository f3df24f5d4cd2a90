/** Means over the samples of each cell, with what a report must know of the run they belong to. */
import type { Connection } from './connection.js';
import type { CellRow, RunStatus } from './rows.js';

/** Means over a cell's samples. */
export interface CellSummary extends CellRow {
  runName: string;
  runStatus: RunStatus;
  /** Resolved configuration of the run. */
  config: Record<string, unknown>;
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

type Raw = CellRow & { runName: string; runStatus: RunStatus; config: string; totals: string };

/** `totals` is {name: [n, total, squares]}. */
function means(totals: string): Omit<CellSummary, keyof CellRow | 'runName' | 'runStatus' | 'config'> {
  const metrics: Record<string, number> = {};
  const stderrs: Record<string, number> = {};
  const columns: Record<string, number> = {};
  let count = 0;
  const parsed = JSON.parse(totals) as Record<string, [n: number, total: number, squares: number]>;
  for (const [name, [n, total, squares]] of Object.entries(parsed)) {
    if (name.startsWith('.')) {
      columns[name] = total / n;
      count = n;
    } else {
      metrics[name] = total / n;
      stderrs[name] = Math.sqrt(Math.max(0, squares / n - (total / n) ** 2) / n);
    }
  }
  return {
    n: count,
    metrics,
    stderrs,
    contextTokens: columns['.context_tokens']!,
    keptTokens: columns['.kept_tokens']!,
    bytesBefore: columns['.bytes_before']!,
    bytesAfter: columns['.bytes_after']!,
    compressSeconds: columns['.compress_seconds']!,
    generateSeconds: columns['.generate_seconds']!,
  };
}

/** Cells that hold a sample, of the given runs or of all, in the order in which they were made. */
export function summarise(connection: Connection, runIds: readonly string[] | undefined): CellSummary[] {
  const chosen = runIds === undefined ? '' : 'AND cells.run_id IN (SELECT value FROM json_each(?))';
  const rows = connection
    .prepare(
      `SELECT cells.id AS id, run_id AS runId, model, method, method_options AS methodOptions,
         adapter_hash AS adapterHash, budget, budget_label AS budgetLabel, retention, task,
         task_version AS taskVersion, split, cells.seed AS seed, eviction,
         runs.name AS runName, runs.status AS runStatus, runs.config AS config,
         (SELECT json_group_object(name, json_array(n, total, squares))
          FROM totals WHERE cell_id = cells.id) AS totals
       FROM cells JOIN runs ON runs.id = cells.run_id
       WHERE EXISTS (SELECT 1 FROM totals WHERE cell_id = cells.id) ${chosen} ORDER BY cells.id`,
    )
    .all(...(runIds === undefined ? [] : [JSON.stringify(runIds)])) as Raw[];
  const configs = new Map<string, Record<string, unknown>>();
  return rows.map(({ totals, ...cell }) => {
    const config = configs.get(cell.runId) ?? (JSON.parse(cell.config) as Record<string, unknown>);
    configs.set(cell.runId, config);
    return { ...cell, ...means(totals), config };
  });
}

/** Mean of a metric over some of a cell's samples. */
export interface TagSummary {
  n: number;
  mean: number;
  /** As in CellSummary. */
  stderr: number;
}

/**
 * Mean of `metric` in a cell, by tag or by all tags of a sample together.
 * @returns `key`: the tag, or the tags as a JSON array; sorted
 */
export function summariseTags(
  connection: Connection,
  cellId: number,
  metric: string,
  by: 'tag' | 'tags',
): (TagSummary & { key: string })[] {
  const [key, join] =
    by === 'tag' ? ['tag.value', 'JOIN json_each(samples.tags) AS tag'] : ['samples.tags', ''];
  const rows = connection
    .prepare(
      `SELECT ${key} AS key, count(*) AS n, avg(marks.value) AS mean, avg(marks.value * marks.value) AS squares
       FROM samples ${join} JOIN json_each(samples.metrics) AS marks
       WHERE cell_id = ? AND marks.key = ? AND marks.type IN ('integer', 'real')
       GROUP BY 1 ORDER BY 1`,
    )
    .all(cellId, metric) as { key: string; n: number; mean: number; squares: number }[];
  return rows.map(({ squares, ...row }) => ({
    ...row,
    stderr: Math.sqrt(Math.max(0, squares - row.mean ** 2) / row.n),
  }));
}
