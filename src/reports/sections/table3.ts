/** Summaries of whole reports: kvd as trained in general, and trained on with reports. */
import type { CellSummary } from '../../store/store.js';
import type { Claim } from '../document.js';
import { difference, type Effect } from '../effects.js';
import {
  measurement,
  origin,
  percent,
  pick,
  retentions,
  sameQuestions,
  type Config,
  type Evidence,
} from '../evidence.js';
import { readPublished } from '../published.js';
import type { Cell } from '../table.js';
import { claim, every, RULE } from '../verdicts.js';
import { DOMAINS } from './domains.js';
import type { Target } from './section.js';

const UNIT = 'ROUGE-L';
const METRIC = 'rougeL';

/** Whether an adapter went on from another. */
function fineTuned({ training }: Config): boolean {
  return training?.init_adapter !== undefined;
}

/** Whether the encoder's keys are scaled by σ(s). */
function decayed({ method }: Config): boolean {
  return method?.decay !== false;
}

/** The paper's columns, and the first stage of fine-tuning, which scales keys and teaches the scorer. */
export const COLUMNS: Readonly<Record<string, { method: string; where?: (config: Config) => boolean }>> = {
  h2a: { method: 'h2a' },
  h2i: { method: 'h2i' },
  'kvd-zero-shot': { method: 'kvd', where: (config) => !fineTuned(config) },
  'kvd-selection': { method: 'kvd', where: (config) => fineTuned(config) && decayed(config) },
  'kvd-finetune': { method: 'kvd', where: (config) => fineTuned(config) && !decayed(config) },
};

/** What the columns of fine-tuned adapters are, for a section's introduction. */
export const STAGES =
  'Fine-tuning goes on from the general adapter on reports in two stages: with keys scaled by σ(s), which teaches the scorer what to keep ("selection"), then with keys as they are and the selection as it is, which teaches the encoder ("finetune").';

type Lookup = (column: string, retention: number) => CellSummary[];

function claims(evidence: Evidence, ratios: readonly number[], cells: Lookup): Claim[] {
  const between = (first: string, second: string, retention: number): Effect | undefined =>
    difference(
      evidence,
      cells(first, retention),
      second === 'full' ? pick(evidence, { method: 'full' }) : cells(second, retention),
      METRIC,
    );
  const low = ratios.filter((ratio) => ratio <= 0.2);
  const parts = (first: string, second: string): Claim[] =>
    low.map((retention) =>
      claim(
        `${first} above ${second} at ${percent(retention)} (report summaries)`,
        between(first, second, retention),
        0,
        UNIT,
      ),
    );
  const zeroShot = parts('kvd-zero-shot', 'h2i');
  const tuned = parts('kvd-finetune', 'kvd-zero-shot');
  return [
    claim(
      'kvd fine-tuned at 5 % within 1 ROUGE-L of uncompressed',
      between('kvd-finetune', 'full', 0.05),
      -1,
      UNIT,
    ),
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
    const cells: Lookup = (column, retention) => pick(evidence, { ...COLUMNS[column]!, retention });
    const ratios = retentions(evidence.cells).filter((ratio) => ratio < 1);
    const ours = (column: string, retention: number): Cell =>
      measurement(retention === 1 ? pick(evidence, { method: 'full' }) : cells(column, retention), METRIC) ??
      null;
    const paper = (column: string, retention: number): Cell => {
      const row = published.rows.find((row) => row.retention === retention);
      const value = row?.values[published.columns.indexOf(column)];
      return value === undefined ? null : { value, digits: 1 };
    };
    const names = Object.keys(COLUMNS);
    return {
      intro: `A long report and its summary. "Zero-shot" is the general adapter, which has seen no report. ${STAGES}`,
      claims: claims(evidence, ratios, cells),
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
            rows: [1, ...ratios].map((retention) => ({
              retention: percent(retention),
              ...Object.fromEntries(names.map((name) => [`ours/${name}`, ours(name, retention)])),
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
