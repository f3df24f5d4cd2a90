/** How far a compressed cache moves the model: KL to the uncompressed model, perplexity, top-1 agreement. */
import type { CellSummary } from '../../store/store.js';
import { measurement, origin, percent, pick, retentions, type Evidence } from '../evidence.js';
import { figure } from '../groups.js';
import type { Cell, Table } from '../table.js';
import type { Target } from './section.js';

function perplexity(cells: readonly CellSummary[]): Cell {
  const nll = figure(cells, 'nll');
  if (nll === undefined) return null;
  const value = Math.exp(nll.value);
  return { value, stderr: value * nll.stderr, digits: 3 };
}

function tableOf(evidence: Evidence, task: string): Table {
  const own = evidence.cells.filter((cell) => cell.task === task);
  const methods = [...new Set(own.map(({ method }) => method))];
  const used: CellSummary[] = [];
  const rows = methods.flatMap((method) =>
    retentions(own, method).map((retention) => {
      const cells = pick(evidence, { method, retention, tasks: [task] });
      used.push(...cells);
      return {
        method,
        retention: percent(retention),
        kl: measurement(cells, 'kl', { scale: 1, digits: 3 }) ?? null,
        perplexity: perplexity(cells),
        agreement: measurement(cells, 'agreement') ?? null,
      };
    }),
  );
  const right = (key: string, label: string): Table['columns'][number] => ({ key, label, align: 'right' });
  return {
    title: `On the reference answers of ${task}`,
    columns: [
      { key: 'method', label: 'method', align: 'left' },
      right('retention', 'rows kept'),
      right('kl', 'KL in nats a token'),
      right('perplexity', 'perplexity'),
      right('agreement', 'top-1 agreement in %'),
    ],
    rows,
    notes: [
      'KL from the uncompressed model to the compressed one, exact over the vocabulary; perplexity is exp of the mean negative log-likelihood, its error by the delta method.',
      ...origin(used),
    ],
  };
}

export const intrinsic: Target = {
  name: 'intrinsic',
  title: 'Intrinsic measures',
  summary: 'KL to the uncompressed model, perplexity and top-1 agreement by method and retention',
  reference: 'kvd',
  experiments: ['intrinsic', 'intrinsic-baselines'],
  build: (evidence) => {
    const tasks = new Set(
      evidence.cells.filter(({ metrics }) => metrics.kl !== undefined).map(({ task }) => task),
    );
    if (tasks.size === 0) return undefined;
    return {
      intro: 'What generation hides: how far each token of the reference moves when the cache shrinks.',
      claims: [],
      blocks: [...tasks].map((task) => ({ kind: 'table', table: tableOf(evidence, task) })),
    };
  },
};
