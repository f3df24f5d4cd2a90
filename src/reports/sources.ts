/** What stands behind the numbers of a report: the configuration and some samples of each cell. */
import type { CellSummary, RunRow, SampleRow, Store } from '../store/store.js';
import type { Section, SourceDetail } from './document.js';

const SAMPLES = 3;

/** Every `sources` list anywhere in a value. */
function collect(value: unknown, found: Set<string>): void {
  if (value === null || typeof value !== 'object') return;
  for (const [key, inner] of Object.entries(value)) {
    if (key === 'sources' && Array.isArray(inner)) inner.forEach((source) => found.add(String(source)));
    else collect(inner, found);
  }
}

function madeOf(run: RunRow): string {
  const { cpu, cores } = run.machine;
  const took =
    run.endedAt === null
      ? 'not ended'
      : `${Math.round((Date.parse(run.endedAt) - Date.parse(run.startedAt)) / 1000)} s`;
  return `commit ${run.gitCommit ?? 'unknown'}, ${String(cores)} × ${String(cpu)}, started ${run.startedAt}, ${took}, ${run.status}`;
}

function marksOf({ metrics }: SampleRow): string {
  return Object.entries(metrics)
    .map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`)
    .join(', ');
}

function labelOf({ model, method, budgetLabel, task, seed, n }: CellSummary): string {
  return `${method} at ${budgetLabel}, ${task}, ${model}, seed ${seed}, ${n} samples`;
}

/**
 * Details of every cell that the sections name, in the order in which they were made.
 * @param asText a configuration as text
 */
export function detailsOf(
  store: Store,
  sections: readonly Section[],
  asText: (config: unknown) => string,
): SourceDetail[] {
  const named = new Set<string>();
  collect(sections, named);
  const runIds = [...new Set([...named].map((source) => source.split('/')[0]!))];
  const runs = new Map(runIds.map((id) => [id, store.run(id)]));
  return store
    .cellSummaries(runIds)
    .map((cell) => ({ cell, id: `${cell.runId}/${cell.id}`, run: runs.get(cell.runId)! }))
    .filter(({ id }) => named.has(id))
    .map(({ cell, id, run }) => ({
      id,
      label: labelOf(cell),
      config: asText(run.config),
      made: madeOf(run),
      samples: store
        .samples(cell.id)
        .slice(0, SAMPLES)
        .map((sample) => ({
          prompt: sample.prompt,
          output: sample.output,
          references: sample.references,
          marks: marksOf(sample),
        })),
    }));
}
