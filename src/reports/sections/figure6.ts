/** Summaries side by side, with the statements marked that no reference supports. */
import type { CellSummary, SampleRow } from '../../store/store.js';
import type { MarkedText, SideBySide } from '../document.js';
import { percent, pick, sameQuestions, sourcesOf, type Evidence } from '../evidence.js';
import { countUnsupported, markUnsupported, SUPPORT_RULE } from '../support.js';
import type { Measurement, Table } from '../table.js';
import { DOMAINS } from './domains.js';
import type { Target } from './section.js';

const RATIOS = [0.2, 0.05, 0.01];
const SHOWN = 3;
const METHODS = ['full', 'kvd', 'h2i'];

function marked(label: string, { output, references, metrics }: SampleRow): MarkedText {
  const spans = markUnsupported(output, references);
  const { statements, unsupported } = countUnsupported(spans);
  const rouge = metrics.rougeL === undefined ? '' : `ROUGE-L ${(100 * metrics.rougeL).toFixed(1)}, `;
  return { label, note: `${rouge}${unsupported} of ${statements} statements unsupported`, spans };
}

/** Cells of one seed, the lowest: of the uncompressed model and of kvd at each ratio. */
function columns(evidence: Evidence): { label: string; cell: CellSummary }[] {
  const wanted = [
    { label: 'uncompressed', cells: pick(evidence, { method: 'full' }) },
    ...RATIOS.map((retention) => ({
      label: `kvd at ${percent(retention)}`,
      cells: pick(evidence, { method: 'kvd', retention }),
    })),
  ];
  return wanted.flatMap(({ label, cells }) => {
    const [cell] = [...cells].sort((a, b) => a.seed - b.seed);
    return cell === undefined ? [] : [{ label, cell }];
  });
}

function sideBySide(evidence: Evidence): SideBySide[] {
  const shown = columns(evidence);
  if (shown.length === 0) return [];
  const ids = [...evidence.samples(shown[0]!.cell).keys()]
    .filter((id) => shown.every(({ cell }) => evidence.samples(cell).has(id)))
    .slice(0, SHOWN);
  return ids.map((id) => {
    const samples = shown.map(({ label, cell }) => ({ label, sample: evidence.samples(cell).get(id)! }));
    const { prompt, references } = samples[0]!.sample;
    return {
      kind: 'side-by-side',
      title: id,
      prompt,
      references,
      texts: samples.map(({ label, sample }) => marked(label, sample)),
      sources: sourcesOf(shown.map(({ cell }) => cell)),
    };
  });
}

/** Mean share of unsupported statements over samples, in %, with its standard error. */
function share(evidence: Evidence, cells: readonly CellSummary[]): Measurement | null {
  const shares = cells.flatMap((cell) =>
    [...evidence.samples(cell).values()].flatMap(({ output, references }) => {
      const { statements, unsupported } = countUnsupported(markUnsupported(output, references));
      return statements === 0 ? [] : [unsupported / statements];
    }),
  );
  if (shares.length === 0) return null;
  const mean = shares.reduce((sum, value) => sum + value, 0) / shares.length;
  const squares = shares.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const stderr = Math.sqrt(squares / shares.length / shares.length);
  return { value: 100 * mean, stderr: 100 * stderr, digits: 1, sources: sourcesOf(cells) };
}

function shares(evidence: Evidence): Table {
  const rows = METHODS.flatMap((method) =>
    (method === 'full' ? [1] : RATIOS).flatMap((retention) => {
      const measured = share(evidence, pick(evidence, { method, retention }));
      return measured === null ? [] : [{ method, retention: percent(retention), unsupported: measured }];
    }),
  );
  return {
    title: 'Statements without support, in %',
    columns: [
      { key: 'method', label: 'method', align: 'left' },
      { key: 'retention', label: 'rows kept', align: 'right' },
      { key: 'unsupported', label: 'unsupported', align: 'right' },
    ],
    rows,
    notes: ['Mean over all summaries and seeds; summaries that state nothing are not counted.'],
  };
}

export const figure6: Target = {
  name: 'figure6',
  title: 'Figure 6: summaries side by side',
  summary: 'generated summaries at three ratios, unsupported statements marked',
  reference: 'Figure 6',
  experiments: ['figure5', 'figure5-baselines'],
  build: (all) => {
    const { evidence } = sameQuestions(all, DOMAINS.SQuALITY);
    const items = sideBySide(evidence);
    if (items.length === 0) return undefined;
    return {
      intro: `The first ${items.length} questions of the test split; the same questions whatever the answers.`,
      claims: [],
      blocks: [
        { kind: 'side-by-side', items, notes: [SUPPORT_RULE] },
        { kind: 'table', table: shares(evidence) },
      ],
    };
  },
};
