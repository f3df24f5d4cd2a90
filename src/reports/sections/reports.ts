/** Summaries of reports of which every fact belongs in the summary. */
import type { CellSummary } from '../../store/store.js';
import { origin, percent, sameQuestions, type Config } from '../evidence.js';
import type { Column } from '../table.js';
import { RULE } from '../verdicts.js';
import { DOMAINS } from './domains.js';
import { COLUMNS, STAGES, summariesOf } from './report-summaries.js';
import type { Target } from './section.js';

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
    const { ratios, ours, within } = summariesOf(evidence);
    const names = Object.keys(COLUMNS);
    return {
      intro: `A report of Table 3 tells facts of other names, too, and only its title says which belong in the summary; here all do. ${STAGES}`,
      claims: ratios.map((ratio) => within(ratio, ' (reports on their subjects alone)')),
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
              ...Object.fromEntries(names.map((name) => [name, ours(name, retention)])),
            })),
            notes: ['At 100 % all are the uncompressed model.', ...origin(evidence.cells, others), RULE],
          },
        },
      ],
    };
  },
};
