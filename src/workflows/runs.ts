/** `kvd runs list|show`. */
import { comparison } from '../reports/comparison.js';
import type { Table } from '../reports/table.js';
import { writers } from '../reports/writers/index.js';
import { Store, type RunRow } from '../store/store.js';

function duration(run: RunRow): string {
  if (run.endedAt === null) return '—';
  return `${Math.round((Date.parse(run.endedAt) - Date.parse(run.startedAt)) / 1000)} s`;
}

export function listRuns(options: { db: string; kind?: string | undefined; limit: number }): {
  rows: RunRow[];
  text: string;
} {
  const store = Store.open(options.db);
  const rows = store.listRuns(options);
  store.close();
  const left = (key: string): Table['columns'][number] => ({ key, label: key, align: 'left' });
  const table: Table = {
    title: `${rows.length} run${rows.length === 1 ? '' : 's'} in ${options.db}`,
    columns: ['id', 'kind', 'name', 'status', 'seed', 'started', 'took'].map(left),
    rows: rows.map((run) => ({
      id: run.id,
      kind: run.kind,
      name: run.name,
      status: run.status,
      seed: `${run.seed}`,
      started: run.startedAt.slice(0, 19).replace('T', ' '),
      took: duration(run),
    })),
    notes: [],
  };
  return { rows, text: writers.get('terminal').write(table) };
}

/** The last value of each training metric. */
function lastMetrics(metrics: readonly { step: number; name: string; value: number }[]): string[] {
  const last = new Map(metrics.map((metric) => [metric.name, metric]));
  return [...last.values()].map(({ name, step, value }) => `  ${name} ${value} (step ${step})`);
}

export function showRun(db: string, id: string): { value: object; text: string } {
  const store = Store.open(db);
  const run = store.run(id);
  const metrics = store.metrics(run.id);
  const cells = store.cellSummaries([run.id]);
  const artifacts = store.artifacts(run.id);
  store.close();
  const lines = [
    `run ${run.id} · ${run.kind} · ${run.name} · ${run.status}${run.error === null ? '' : `: ${run.error}`}`,
    `started ${run.startedAt}, took ${duration(run)}; seed ${run.seed}`,
    `code ${run.codeVersion}, commit ${run.gitCommit ?? 'unknown'}; engine ${JSON.stringify(run.engine)}`,
    `machine ${JSON.stringify(run.machine)}`,
    `configuration ${run.configHash.slice(0, 12)}`,
    JSON.stringify(run.config, null, 2),
  ];
  if (metrics.length > 0) lines.push('last metrics', ...lastMetrics(metrics));
  if (artifacts.length > 0)
    lines.push(...artifacts.map(({ kind, path, sha256 }) => `${kind} ${path} (${sha256.slice(0, 12)})`));
  if (cells.length > 0) lines.push(writers.get('terminal').write(comparison(cells)));
  return { value: { ...run, metrics, cells, artifacts }, text: lines.join('\n') };
}
