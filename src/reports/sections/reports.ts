/** Summaries of reports of which every fact belongs in the summary. */
import type { CellSummary } from '../../store/store.js';
import { difference } from '../effects.js';
import { measurement, origin, percent, pick, retentions, sameQuestions, type Config } from '../evidence.js';
import type { Column } from '../table.js';
import { claim, RULE } from '../verdicts.js';
import { DOMAINS } from './domains.js';
import type { Target } from './section.js';
import { COLUMNS, STAGES } from './table3.js';

const METRIC = 'rougeL';

function tellsNothingElse({ config }: CellSummary): boolean {
  const { evaluation } = config as Config;
  return (evaluation?.task_options as { background?: string } | undefined)?.background === 'filler';
}

export const reports: Target = {
  name: 'reports',
  title: 'Report summaries where a report tells facts of its two subjects alone',
  summary: 'ROUGE-L as in Table 3, on reports of which every fact belongs in the summary',
  reference: 'kvd',
  experiments: [
    'reports-filler',
    'reports-filler-selection',
    'reports-filler-finetuned',
    'reports-filler-baselines',
  ],
  startsFrom: {
    'reports-filler-selection': 'reports-filler',
    'reports-filler-finetuned': 'reports-filler-selection',
  },
  build: (all) => {
    const own = { ...all, cells: all.cells.filter(tellsNothingElse) };
    const { evidence, others } = sameQuestions(own, DOMAINS.GovReport);
    if (evidence.cells.length === 0) return undefined;
    const full = pick(evidence, { method: 'full' });
    const cells = (column: string, retention: number): CellSummary[] =>
      retention === 1 ? full : pick(evidence, { ...COLUMNS[column]!, retention });
    const names = Object.keys(COLUMNS);
    const ratios = retentions(evidence.cells).filter((ratio) => ratio < 1);
    return {
      intro: `A report of Table 3 tells facts of other names, too, and only its title says which belong in the summary; here all do. ${STAGES}`,
      claims: ratios.map((ratio) =>
        claim(
          `kvd fine-tuned at ${percent(ratio)} within 1 ROUGE-L of uncompressed (reports on their subjects alone)`,
          difference(evidence, cells('kvd-finetune', ratio), full, METRIC),
          -1,
          'ROUGE-L',
        ),
      ),
      blocks: [
        {
          kind: 'table',
          table: {
            title: 'ROUGE-L',
            columns: [
              { key: 'retention', label: 'rows kept', align: 'right' },
              ...names.map((name): Column => ({ key: name, label: name, align: 'right' })),
            ],
            rows: [1, ...ratios].map((retention) => ({
              retention: percent(retention),
              ...Object.fromEntries(
                names.map((name) => [name, measurement(cells(name, retention), METRIC) ?? null]),
              ),
            })),
            notes: ['At 100 % all are the uncompressed model.', ...origin(evidence.cells, others), RULE],
          },
        },
      ],
    };
  },
};
