/** Summaries of whole reports: kvd as trained in general, and trained on with reports. */
import type { Claim } from '../document.js';
import { difference } from '../effects.js';
import { origin, percent, sameQuestions, type Evidence } from '../evidence.js';
import { readPublished } from '../published.js';
import type { Cell } from '../table.js';
import { claim, every, RULE } from '../verdicts.js';
import { DOMAINS } from './domains.js';
import { COLUMNS, METRIC, STAGES, summariesOf, UNIT, type Summaries } from './report-summaries.js';
import type { Target } from './section.js';

function claims(evidence: Evidence, { ratios, cells, within }: Summaries): Claim[] {
  const low = ratios.filter((ratio) => ratio <= 0.2);
  const parts = (first: string, second: string): Claim[] =>
    low.map((retention) =>
      claim(
        `${first} above ${second} at ${percent(retention)} (report summaries)`,
        difference(evidence, cells(first, retention), cells(second, retention), METRIC),
        0,
        UNIT,
      ),
    );
  const zeroShot = parts('kvd-zero-shot', 'h2i');
  const tuned = parts('kvd-finetune', 'kvd-zero-shot');
  return [
    within(0.05),
    every('kvd zero-shot above h2i at every ratio of 20 % and below (report summaries)', zeroShot),
    ...zeroShot,
    every('kvd fine-tuned above zero-shot at every ratio of 20 % and below', tuned),
    ...tuned,
  ];
}

export const table3: Target = {
  name: 'table3',
  title: 'Table 3: report summarisation',
  summary: 'ROUGE-L of zero-shot and fine-tuned adapters by retention',
  reference: 'Table 3',
  experiments: ['table3', 'table3-selection', 'table3-finetuned', 'table3-baselines'],
  startsFrom: { 'table3-selection': 'table3', 'table3-finetuned': 'table3-selection' },
  build: (all) => {
    const { evidence, others } = sameQuestions(all, DOMAINS.GovReport);
    if (evidence.cells.length === 0) return undefined;
    const published = readPublished().table3_govreport;
    const summaries = summariesOf(evidence);
    const paper = (column: string, retention: number): Cell => {
      const row = published.rows.find((row) => row.retention === retention);
      const value = row?.values[published.columns.indexOf(column)];
      return value === undefined ? null : { value, digits: 1 };
    };
    const names = Object.keys(COLUMNS);
    return {
      intro: `A long report and its summary. "Zero-shot" is the general adapter, which has seen no report. ${STAGES}`,
      claims: claims(evidence, summaries),
      blocks: [
        {
          kind: 'table',
          table: {
            title: 'ROUGE-L',
            columns: [
              { key: 'retention', label: 'rows kept', align: 'right' },
              ...names.map((name) => ({
                key: `ours/${name}`,
                label: `ours: ${name}`,
                align: 'right' as const,
              })),
              ...published.columns.map((name) => ({
                key: `paper/${name}`,
                label: `paper: ${name}`,
                align: 'right' as const,
              })),
            ],
            rows: [1, ...summaries.ratios].map((retention) => ({
              retention: percent(retention),
              ...Object.fromEntries(names.map((name) => [`ours/${name}`, summaries.ours(name, retention)])),
              ...Object.fromEntries(
                published.columns.map((name) => [`paper/${name}`, paper(name, retention)]),
              ),
            })),
            notes: [
              `Columns "paper" are the published numbers of arXiv 2503.10337 on GovReport with ${published.model}. h2a looks at the question before compressing; the others do not. At 100 % all are the uncompressed model.`,
              ...origin(evidence.cells, others),
              RULE,
            ],
          },
        },
      ],
    };
  },
};
