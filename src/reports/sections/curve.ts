/** A metric against retention on a log axis: what figures 4 and 5 share. */
import type { CellSummary } from '../../store/store.js';
import { claim, every, RULE } from '../verdicts.js';
import type { Block, Claim, LineChart } from '../document.js';
import { difference, type Effect } from '../effects.js';
import { measurement, origin, percent, pick, retentions, sameQuestions, type Evidence } from '../evidence.js';
import type { Table } from '../table.js';

export interface Curve {
  /** Evidence of one set of questions. */
  evidence: Evidence;
  others: number;
  metric: string;
  /** Methods other than the uncompressed model and the model without context, in the order of measurement. */
  methods: readonly string[];
  /** Ratios below 1, greatest first. */
  ratios: readonly number[];
  cells(method: string, retention?: number): CellSummary[];
  /** `first` less `second` at a ratio; the uncompressed model and the model without context have but one. */
  between(first: string, second: string, retention: number): Effect | undefined;
}

/** Methods that are measured once, whatever the ratio: drawn as horizontal lines. */
const FIXED: Readonly<Record<string, string>> = { full: 'uncompressed', none: 'no context' };

/** Everything measured of a metric on some tasks; undefined where nothing was. */
export function curveOf(all: Evidence, tasks: readonly string[], metric: string): Curve | undefined {
  const { evidence, others } = sameQuestions(all, tasks);
  const measured = evidence.cells.filter((cell) => cell.metrics[metric] !== undefined);
  if (measured.length === 0) return undefined;
  const methods = [...new Set(measured.map(({ method }) => method))].filter((name) => !(name in FIXED));
  const cells = (method: string, retention?: number): CellSummary[] =>
    pick(evidence, { method, ...(!(method in FIXED) && retention !== undefined && { retention }) });
  return {
    evidence,
    others,
    metric,
    methods,
    ratios: retentions(measured.filter(({ method }) => !(method in FIXED))).filter((ratio) => ratio < 1),
    cells,
    between: (first, second, retention) =>
      difference(evidence, cells(first, retention), cells(second, retention), metric),
  };
}

function chartOf(curve: Curve, title: string, label: string): LineChart {
  const at = (
    method: string,
    retention?: number,
  ): { y: number; stderr: number; sources: string[] } | undefined => {
    const found = measurement(curve.cells(method, retention), curve.metric);
    return found && { y: found.value, stderr: found.stderr!, sources: [...found.sources!] };
  };
  return {
    kind: 'lines',
    title,
    x: { label: 'rows kept', scale: 'log', format: 'percent' },
    y: { label },
    series: curve.methods.map((name) => ({
      name,
      points: curve.ratios.flatMap((x) => {
        const found = at(name, x);
        return found === undefined ? [] : [{ x, ...found }];
      }),
    })),
    rules: Object.entries(FIXED).flatMap(([method, name]) => {
      const found = at(method);
      return found === undefined ? [] : [{ name, ...found }];
    }),
  };
}

function tableOf(curve: Curve, title: string, notes: readonly string[]): Table {
  const columns = [...Object.keys(FIXED), ...curve.methods].filter((name) => curve.cells(name).length > 0);
  return {
    title,
    columns: [
      { key: 'retention', label: 'rows kept', align: 'right' },
      ...columns.map((name) => ({ key: name, label: FIXED[name] ?? name, align: 'right' as const })),
    ],
    rows: curve.ratios.map((retention) => ({
      retention: percent(retention),
      ...Object.fromEntries(
        columns.map((name) => [name, measurement(curve.cells(name, retention), curve.metric) ?? null]),
      ),
    })),
    notes: [...notes],
  };
}

/** A further measure of the same answers, as a table; nothing where it was not taken. */
export function furtherTable(curve: Curve | undefined, title: string): Block[] {
  return curve === undefined ? [] : [{ kind: 'table', table: tableOf(curve, title, []) }];
}

/** Chart and table of a curve. */
export function curveBlocks(curve: Curve, label: string, notes: readonly string[]): Block[] {
  const bands = 'Bands and ± are one standard error (over questions, or over seeds where larger).';
  return [
    { kind: 'chart', chart: chartOf(curve, `${label} against rows kept`, label), notes: [bands, ...notes] },
    {
      kind: 'table',
      table: tableOf(curve, label, [...origin(curve.evidence.cells, curve.others), RULE]),
    },
  ];
}

/** kvd above h2i at each ratio of 20 % and below, and at all of them. */
export function aboveH2i(curve: Curve, what: string, unit: string): Claim[] {
  const parts = curve.ratios
    .filter((retention) => retention <= 0.2)
    .map((retention) =>
      claim(
        `kvd above h2i at ${percent(retention)} (${what})`,
        curve.between('kvd', 'h2i', retention),
        0,
        unit,
      ),
    );
  return [every(`kvd above h2i at every ratio of 20 % and below (${what})`, parts), ...parts];
}

/** kvd at a ratio within `points` of the uncompressed model. */
export function within(curve: Curve, what: string, retention: number, points: number, unit: string): Claim {
  const text = `kvd at ${percent(retention)} within ${points} ${unit} of uncompressed (${what})`;
  return claim(text, curve.between('kvd', 'full', retention), -points, unit);
}
