/** Report summaries beyond the paper: by what else a report tells, and by how fine-tuning ends. */
import type { CellSummary } from '../../store/store.js';
import type { Block, Claim } from '../document.js';
import { difference } from '../effects.js';
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
import type { Column, Table } from '../table.js';
import { claim, RULE } from '../verdicts.js';
import { DOMAINS } from './domains.js';
import type { Target } from './section.js';
import { decayed, fineTuned } from './table3.js';

const UNIT = 'ROUGE-L';
const METRIC = 'rougeL';

/** Reports by what they tell besides what their summary states: an option of the task. */
interface Kind {
  background?: 'filler';
  title: string;
}

const KINDS: readonly Kind[] = [
  { title: 'reports that tell facts of other names, too' },
  { background: 'filler', title: 'reports that tell facts of their two subjects alone' },
];

function isOf({ background }: Kind, { config }: CellSummary): boolean {
  const options = (config as Config).evaluation?.task_options as Kind | undefined;
  return options?.background === background;
}

const COLUMNS: Readonly<Record<string, { method: string; where?: (config: Config) => boolean }>> = {
  h2i: { method: 'h2i' },
  'kvd, zero-shot': { method: 'kvd', where: (config) => !fineTuned(config) },
  'kvd, fine-tuned': { method: 'kvd', where: (config) => fineTuned(config) && decayed(config) },
  'kvd, fine-tuned, keys not scaled': {
    method: 'kvd',
    where: (config) => fineTuned(config) && !decayed(config),
  },
};

/** Table and claims of one kind of reports; nothing where nothing was measured. */
function partOf(all: Evidence, kind: Kind): { claims: Claim[]; blocks: Block[] } {
  const own = { ...all, cells: all.cells.filter((cell) => isOf(kind, cell)) };
  const { evidence, others } = sameQuestions(own, DOMAINS.GovReport);
  if (evidence.cells.length === 0) return { claims: [], blocks: [] };
  const full = pick(evidence, { method: 'full' });
  const cells = (column: string, retention: number): CellSummary[] =>
    retention === 1 ? full : pick(evidence, { ...COLUMNS[column]!, retention });
  const names = Object.keys(COLUMNS);
  const table: Table = {
    title: `ROUGE-L, ${kind.title}`,
    columns: [
      { key: 'retention', label: 'rows kept', align: 'right' },
      ...names.map((name): Column => ({ key: name, label: name, align: 'right' })),
    ],
    rows: [1, ...retentions(evidence.cells).filter((ratio) => ratio < 1)].map((retention) => ({
      retention: percent(retention),
      ...Object.fromEntries(names.map((name) => [name, measurement(cells(name, retention), METRIC) ?? null])),
    })),
    notes: ['At 100 % all are the uncompressed model.', ...origin(evidence.cells, others), RULE],
  };
  const claims = names
    .filter((name) => name.includes('fine-tuned'))
    .map((name) =>
      claim(
        `${name}, at 5 % within 1 ROUGE-L of uncompressed (${kind.title})`,
        difference(evidence, cells(name, 0.05), full, METRIC),
        -1,
        UNIT,
      ),
    );
  return { claims, blocks: [{ kind: 'table', table }] };
}

export const reports: Target = {
  name: 'reports',
  title: 'Report summaries: what else a report tells, and how fine-tuning ends',
  summary: 'ROUGE-L of fine-tuned adapters on two kinds of reports, with and without σ(s) on keys at the end',
  reference: 'kvd',
  experiments: [
    'table3',
    'table3-baselines',
    'table3-finetuned',
    'reports-undecayed',
    'reports-filler',
    'reports-filler-baselines',
    'reports-filler-finetuned',
    'reports-filler-undecayed',
  ],
  startsFrom: {
    'table3-finetuned': 'table3',
    'reports-undecayed': 'table3-finetuned',
    'reports-filler-finetuned': 'reports-filler',
    'reports-filler-undecayed': 'reports-filler-finetuned',
  },
  build: (evidence) => {
    const parts = KINDS.map((kind) => partOf(evidence, kind)).filter(({ blocks }) => blocks.length > 0);
    if (parts.length === 0) return undefined;
    return {
      intro:
        'Of what a report tells, its summary states what concerns the two subjects of its title: a part, or all. Fine-tuning goes on from the general adapter with keys scaled by σ(s), as in the paper, which teaches the scorer what to keep; a second stage leaves the selection as it is and keys unscaled, and teaches the encoder.',
      claims: parts.flatMap(({ claims }) => claims),
      blocks: parts.flatMap(({ blocks }) => blocks),
    };
  },
};
