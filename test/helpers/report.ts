/** A made-up report with every kind of block, for tests of its writers. */
import type { ChartPoint, Claim, ReportDocument, Section, SourceDetail } from '../../src/reports/document.js';
import type { Measurement } from '../../src/reports/table.js';

/** What a model might write to be run by whoever shows it. */
export const HOSTILE =
  '<script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">"\'`&lt;</style></title>--> \u001b[31mred\u202eesrever';

const METHODS = ['kvd', 'h2a', 'snapkv', 'h2i', 'streaming'];
const RATIOS = [0.01, 0.05, 0.1, 0.2, 0.5];
const LENGTHS = [256, 512, 768, 1024];
const DEPTHS = ['0 %', '25 %', '50 %', '75 %', '100 %'];
const SEEDS = [1, 2, 3];

/** Falls with less retention, faster for later methods. */
function accuracy(method: number, ratio: number): number {
  return 97 / (1 + (0.012 * (1 + 3 * method)) / ratio ** 0.9);
}

function sourceId(method: string, ratio: number, seed: number): string {
  return `run-${method}-${seed}/${100 * ratio}`;
}

function sourcesOf(method: string, ratio: number): string[] {
  return SEEDS.map((seed) => sourceId(method, ratio, seed));
}

function measured(method: number, ratio: number): Measurement {
  const value = accuracy(method, ratio);
  return {
    value,
    stderr: 0.4 + method * 0.2,
    delta: value - 97.8,
    digits: 1,
    sources: sourcesOf(METHODS[method]!, ratio),
  };
}

const table: Section = {
  id: 'table2',
  title: 'Table 2: extractive question answering',
  intro: 'Accuracy in % of 1,000 held-out questions a cell. The paper measured larger models on SQuAD.',
  blocks: [
    {
      kind: 'table',
      table: {
        title: 'Accuracy in % by method and retention',
        columns: [
          { key: 'method', label: 'method', align: 'left' },
          ...RATIOS.map((ratio) => ({
            key: `r${ratio}`,
            label: `${100 * ratio} %`,
            align: 'right' as const,
          })),
          { key: 'paper', label: 'paper: llama-3 8b, 20 %', align: 'right' },
          { key: 'id', label: 'id', align: 'left', dataOnly: true },
        ],
        rows: METHODS.map((method, m) => ({
          method,
          ...Object.fromEntries(RATIOS.map((ratio) => [`r${ratio}`, measured(m, ratio)])),
          paper: m > 2 ? null : { value: 84.6 - 9 * m, stderr: 0.7, digits: 1 },
          id: `${m}`,
        })),
        notes: ['± one standard error; in parentheses the difference to uncompressed, in points.'],
      },
    },
    {
      kind: 'text',
      text: 'The uncompressed model answers 97.8 %.\n\nMethods that see the question are marked.',
    },
  ],
  claims: [
    claim('kvd above h2i at 20 %', 'holds', 12.34, 1.1),
    claim('kvd within 2 points of uncompressed at 10 %', 'fails', -6.1, 0.6),
    claim('kvd above h2a at 50 %', 'undecided', 0.3, 0.7),
    { text: 'fine-tuned within 1 ROUGE-L point at 5 %', verdict: 'unknown' },
  ],
};

function claim(text: string, verdict: Claim['verdict'], value: number, stderr: number): Claim {
  return { text, verdict, difference: { value, stderr, unit: 'points' }, sigmas: Math.abs(value) / stderr };
}

function points(method: number): ChartPoint[] {
  return RATIOS.map((x) => ({
    x,
    y: accuracy(method, x),
    stderr: 0.8 + method,
    sources: sourcesOf(METHODS[method]!, x),
  }));
}

const charts: Section = {
  id: 'figure3',
  title: 'Figures 3 and 4: retention against accuracy, and the needle',
  intro: 'Bands are one standard error wide on either side.',
  blocks: [
    {
      kind: 'chart',
      notes: ['Mean over three seeds.'],
      chart: {
        kind: 'lines',
        title: 'Accuracy against retention',
        x: { label: 'retention', scale: 'log', format: 'percent' },
        y: { label: 'accuracy in %' },
        series: METHODS.map((name, m) => ({ name, points: points(m) })),
        rules: [
          { name: 'uncompressed', y: 97.8, stderr: 0.3, sources: [sourceId('kvd', 0.5, 1)] },
          { name: 'without context', y: 8.5, stderr: 0.9 },
        ],
      },
    },
    {
      kind: 'chart',
      notes: [],
      chart: {
        kind: 'heatmap',
        title: 'Needle found at 10 % retention',
        x: { label: 'length in tokens', values: LENGTHS },
        y: { label: 'depth', values: DEPTHS },
        value: { label: 'accuracy in %', from: 0, to: 100 },
        facets: METHODS.slice(0, 4).map((name, m) => ({
          name,
          cells: LENGTHS.flatMap((x, i) =>
            DEPTHS.map((y, j) => ({
              x,
              y,
              value: Math.max(0, Math.min(100, 100 - m * 17 - i * m * 6 - Math.abs(j - 2) * m * 5)),
              stderr: 2.1,
              sources: [sourceId(name, 0.1, 1)],
            })),
          ),
        })),
      },
    },
  ],
  claims: [],
};

const story =
  'Mina Nolan lives in Dover. Her job is tailor, and her colour is amber. Yusuf Silva met her at the harbour. ';

const texts: Section = {
  id: 'figure6',
  title: 'Figure 6: summaries at three ratios',
  intro: 'What the model writes of one entity of a long story.',
  blocks: [
    {
      kind: 'side-by-side',
      notes: ['A statement is unsupported where none of the references states its fact.'],
      items: [
        {
          kind: 'side-by-side',
          title: 'Who is Mina Nolan?',
          prompt: `${story.repeat(20)}\nWho is Mina Nolan?`,
          references: ['Mina Nolan is a tailor from Dover.', 'A tailor whose colour is amber.'],
          texts: [0.2, 0.05, 0.01].map((ratio, i) => ({
            label: `kvd at ${100 * ratio} %`,
            note: `ROUGE-L ${(61.2 - 11 * i).toFixed(1)}`,
            spans: [
              { text: 'Mina Nolan is a tailor. ', unsupported: false },
              {
                text: i === 0 ? 'She lives in Dover.' : 'She lives in Oslo with two dogs.',
                unsupported: i > 0,
              },
              { text: ' Her colour is amber.', unsupported: false },
            ],
          })),
          sources: [sourceId('kvd', 0.2, 1)],
        },
      ],
    },
  ],
  claims: [],
};

function sourceDetails(output: string): SourceDetail[] {
  return METHODS.flatMap((method) =>
    RATIOS.flatMap((ratio) =>
      SEEDS.map((seed) => ({
        id: sourceId(method, ratio, seed),
        label: `${method} at ${100 * ratio} %, nano-qa, seed ${seed}`,
        config: `method:\n  name: ${method}\nmodel: models/nano/llama-small\nseed: ${seed}\n`,
        made: 'Commit 8f50f18, two cores, 2026-11-25 13:00, 4 min',
        samples: [
          {
            prompt: `${story.repeat(8)}\nWhat is the job of Mina Nolan?`,
            output,
            references: ['tailor'],
            marks: 'accuracy 1, F1 1',
          },
        ],
      })),
    ),
  );
}

/** A whole report; `output` stands wherever a model's own words do. */
export function sampleReport(output = 'tailor'): ReportDocument {
  return {
    title: 'KV-Distill at nano scale',
    made: ['kvd reproduce --scale nano', 'commit 8f50f18, 2 h 41 min on two cores'],
    sections: [table, charts, texts],
    sources: sourceDetails(output),
  };
}

/** A report in which every text is `text`. */
export function reportOf(text: string): ReportDocument {
  const change = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(change);
    if (typeof value === 'object' && value !== null) {
      return Object.fromEntries(
        Object.entries(value).map(([key, inner]) => [key, KEPT.has(key) ? inner : change(inner)]),
      );
    }
    return typeof value === 'string' ? text : value;
  };
  return change(sampleReport()) as ReportDocument;
}

/** Words that say what something is, rather than text to be shown. */
const KEPT = new Set(['kind', 'key', 'align', 'verdict', 'scale', 'format', 'values', 'sources', 'x', 'y']);
