/** Needle in a haystack: accuracy by depth, length and retention. */
import type { CellSummary, SampleRow } from '../../store/store.js';
import type { Block, Claim, HeatMap } from '../document.js';
import { difference, over } from '../effects.js';
import { origin, percent, pick, retentions, sameQuestions, sourcesOf, type Evidence } from '../evidence.js';
import { readPublished } from '../published.js';
import { claim, every, RULE } from '../verdicts.js';
import { DOMAINS } from './domains.js';
import type { Target } from './section.js';

const NEAR_PERFECT = 95;
const REMOVED_90 = 0.1;

type Place = (sample: SampleRow) => number | undefined;

/** Number behind `name=` among a sample's tags. */
const tag =
  (name: string): Place =>
  ({ tags }) => {
    const found = tags.find((text) => text.startsWith(`${name}=`));
    return found === undefined ? undefined : Number(found.slice(name.length + 1));
  };
const lengthOf = tag('length');
const depthOf = tag('depth');

function values(evidence: Evidence, place: Place): number[] {
  const [first] = evidence.cells;
  const found = first === undefined ? [] : [...evidence.samples(first).values()].map(place);
  return [...new Set(found.filter((value) => value !== undefined))].sort((a, b) => a - b);
}

/** Mean accuracy in % of the samples that `belongs` picks, over all seeds; its error is binomial. */
function share(
  evidence: Evidence,
  cells: readonly CellSummary[],
  belongs: (sample: SampleRow) => boolean,
): { value: number; stderr: number; sources: string[] } | undefined {
  const marks = cells.flatMap((cell) =>
    [...evidence.samples(cell).values()].filter(belongs).map(({ metrics }) => metrics.accuracy ?? 0),
  );
  if (marks.length === 0) return undefined;
  const mean = marks.reduce((sum, mark) => sum + mark, 0) / marks.length;
  return {
    value: 100 * mean,
    stderr: 100 * Math.sqrt((mean * (1 - mean)) / marks.length),
    sources: sourcesOf(cells),
  };
}

const SCALE = { label: 'accuracy in %', from: 0, to: 100 };

function byRatio(evidence: Evidence, methods: readonly string[]): HeatMap {
  const lengths = values(evidence, lengthOf);
  const ratios = retentions(evidence.cells).filter((ratio) => ratio < 1);
  return {
    kind: 'heatmap',
    title: 'Needle found, by length and rows kept',
    x: { label: 'words', values: lengths },
    y: { label: 'rows kept', values: ratios.map(percent) },
    value: SCALE,
    facets: methods.map((method) => ({
      name: method,
      cells: ratios.flatMap((retention) =>
        lengths.flatMap((x) => {
          const found = share(evidence, pick(evidence, { method, retention }), (s) => lengthOf(s) === x);
          return found === undefined ? [] : [{ x, y: percent(retention), ...found }];
        }),
      ),
    })),
  };
}

function byDepth(evidence: Evidence, methods: readonly string[], retention: number): HeatMap {
  const lengths = values(evidence, lengthOf);
  const depths = values(evidence, depthOf);
  return {
    kind: 'heatmap',
    title: `Needle found at ${percent(retention)}, by length and depth`,
    x: { label: 'words', values: lengths },
    y: { label: 'depth in %', values: depths },
    value: SCALE,
    facets: methods.map((method) => {
      const cells = pick(evidence, { method, retention });
      return {
        name: method,
        cells: depths.flatMap((y) =>
          lengths.flatMap((x) => {
            const found = share(evidence, cells, (s) => lengthOf(s) === x && depthOf(s) === y);
            return found === undefined ? [] : [{ x, y, ...found }];
          }),
        ),
      };
    }),
  };
}

function claimsOf(evidence: Evidence): Claim[] {
  const cells = (method: string, retention: number): CellSummary[] => pick(evidence, { method, retention });
  const ratios = retentions(evidence.cells, 'kvd').filter((ratio) => ratio <= 0.2);
  const parts = ratios.map((retention) =>
    claim(
      `kvd above h2i at ${percent(retention)} (needle)`,
      difference(evidence, cells('kvd', retention), cells('h2i', retention), 'accuracy'),
    ),
  );
  return [
    claim(
      `kvd finds more than ${NEAR_PERFECT} % of needles after 90 % of rows are removed`,
      over(cells('kvd', REMOVED_90), 'accuracy', NEAR_PERFECT),
    ),
    every('kvd above h2i at every ratio of 20 % and below (needle)', parts),
    ...parts,
  ];
}

export const figure3: Target = {
  name: 'figure3',
  title: 'Figure 3: needle in a haystack',
  summary: 'accuracy by depth, length and retention, one map a method',
  reference: 'Figure 3',
  experiments: ['figure3', 'figure3-baselines'],
  build: (all) => {
    const { evidence, others } = sameQuestions(all, DOMAINS.needle);
    const methods = [...new Set(evidence.cells.map(({ method }) => method))];
    const compressed = methods.filter((method) =>
      retentions(evidence.cells, method).some((ratio) => ratio < 1),
    );
    if (compressed.length === 0) return undefined;
    const whole = share(evidence, pick(evidence, { method: 'full' }), () => true);
    const blocks: Block[] = [
      {
        kind: 'chart',
        chart: byRatio(evidence, compressed),
        notes: [
          'Averaged over depths and seeds.',
          ...(whole === undefined
            ? []
            : [`Uncompressed: ${whole.value.toFixed(1)} ± ${whole.stderr.toFixed(1)} %.`]),
          `The paper: ${readPublished().figure3_needle.text}.`,
        ],
      },
      {
        kind: 'chart',
        chart: byDepth(evidence, compressed, REMOVED_90),
        notes: [...origin(evidence.cells, others), RULE],
      },
    ];
    return {
      intro:
        'One fact in a text of sentences without any bearing on it, and of facts about other names; the question asks for it.',
      claims: claimsOf(evidence),
      blocks,
    };
  },
};
