/** `kvd reproduce`: what a table of the paper needs, trained or found again, evaluated and printed. */
import { join } from 'node:path';
import { packageRoot } from '../base/paths.js';
import { UserError } from '../base/errors.js';
import { table2 } from '../reports/table2.js';
import { comparison } from '../reports/comparison.js';
import type { Table } from '../reports/table.js';
import { writers } from '../reports/writers/index.js';
import { Store } from '../store/store.js';
import { evaluateExperiment } from './evaluate.js';
import { loadChecked } from './experiments.js';
import { writeAllFormats } from './report.js';
import { codeVersion, gitCommit, machine } from './run-record.js';
import { trainExperiment } from './train.js';

export interface ReproduceOptions {
  target: string;
  scale: string;
  quick: boolean;
  output?: string | undefined;
  db: string;
  quiet: boolean;
}

export interface ReproduceResult {
  text: string;
  table: Table;
  verdicts: string[];
  files: string[];
}

/** How the report was made, as its first lines. */
function preface(options: ReproduceOptions, seconds: number): string {
  const command = `kvd reproduce ${options.target} --scale ${options.scale}${options.quick ? ' --quick' : ''}`;
  const { cpu, cores, node } = machine();
  return [
    `# ${options.target}, ${options.scale} scale`,
    '',
    `Made by \`${command}\` with kv-distill ${codeVersion()} at commit ${gitCommit() ?? 'unknown'},`,
    `in ${Math.round(seconds / 60)} minutes (what was already trained or evaluated is not counted) on ${cores} × ${cpu}, node ${node}.`,
    '',
    '',
  ].join('\n');
}

/** Runs, or reuses, everything that `target` needs; `say` is told which. */
export async function reproduce(
  options: ReproduceOptions,
  say: (line: string) => void,
): Promise<ReproduceResult> {
  const file = join(
    packageRoot,
    'experiments',
    options.scale,
    `${options.target}${options.quick ? '-quick' : ''}.yaml`,
  );
  const started = performance.now();
  const experiments = loadChecked(file);
  say(`${experiments.length} experiment${experiments.length === 1 ? '' : 's'} in ${file}`);
  const store = Store.open(options.db);
  try {
    const runIds: string[] = [];
    for (const loaded of experiments) {
      const { name_or_path: model } = loaded.experiment.model;
      const trained = await trainExperiment(loaded, store, options.quiet);
      if (trained.reused) say(`${model}: adapter reused, trained before as run ${trained.runId}`);
      const evaluated = await evaluateExperiment(loaded, store, { quiet: options.quiet });
      if (evaluated.reused) say(`${model}: evaluation reused, run ${evaluated.runId}`);
      runIds.push(evaluated.runId);
    }
    const cells = store.cellSummaries(runIds);
    if (cells.length === 0)
      throw new UserError('nothing-measured', 'no sample was evaluated', { where: file });
    const { table, verdicts } = table2(cells);
    const files: string[] = [];
    if (options.output !== undefined) {
      const head = preface(options, (performance.now() - started) / 1000);
      files.push(...writeAllFormats(options.output, options.target, table, head));
      files.push(
        ...writeAllFormats(
          options.output,
          `${options.target}-all-cells`,
          comparison(cells, 'All cells'),
          head,
        ),
      );
      say(`Written: ${files.join(', ')}`);
    }
    return { text: writers.get('terminal').write(table), table, verdicts, files };
  } finally {
    store.close();
  }
}
