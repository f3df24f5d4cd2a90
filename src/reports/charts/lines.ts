/** Values against a quantity: lines with bands of one standard error, and rules for the uncompressed model and the like. */
import type { TopLevelSpec } from 'vega-lite';
import { axisText, digitsFor } from '../chart-table.js';
import type { LineChart } from '../document.js';
import { cellText } from '../table.js';
import { linkedOrNot, type Drawing } from './drawing.js';

/** Series are told apart by colour, shape and dashes: any one of them is enough. */
const STYLES = [
  { colour: 'var(--series-1)', shape: 'circle', dash: [1, 0] },
  { colour: 'var(--series-2)', shape: 'square', dash: [6, 3] },
  { colour: 'var(--series-3)', shape: 'triangle-up', dash: [2, 2] },
  { colour: 'var(--series-4)', shape: 'diamond', dash: [8, 3, 2, 3] },
  { colour: 'var(--series-5)', shape: 'cross', dash: [10, 4] },
  { colour: 'var(--series-6)', shape: 'triangle-down', dash: [4, 4] },
] as const;

/** What is drawn: a row for each point and for each rule, with the words that it says. */
function dataOf({ x, series, rules }: LineChart, link: Drawing['link']) {
  const digits = digitsFor([...series.flatMap(({ points }) => points), ...rules].map(({ y }) => y));
  const say = (y: number, stderr: number | undefined): string =>
    cellText({ value: y, digits, ...(stderr !== undefined && { stderr }) });
  return {
    points: series.flatMap(({ name, points }) =>
      points.map(({ x: at, y, stderr, sources }) => ({
        series: name,
        x: at,
        y,
        low: y - (stderr ?? 0),
        high: y + (stderr ?? 0),
        says: `${name}, ${x.label} ${axisText(at, x.format)}: ${say(y, stderr)}`,
        link: link(sources),
      })),
    ),
    rules: rules.map(({ name, y, stderr, sources }) => ({
      name,
      y,
      says: `${name}: ${say(y, stderr)}`,
      link: link(sources),
    })),
  };
}

/** The axes and how series look, shared by all layers. */
function encodings({ x, y, series }: LineChart, width: number) {
  const names = series.map(({ name }) => name);
  const styles = names.map((_, i) => STYLES[i % STYLES.length]!);
  const places = [...new Set(series.flatMap(({ points }) => points.map((point) => point.x)))];
  const legend = {
    orient: 'top' as const,
    columns: width < 400 ? 2 : 6,
    symbolOpacity: 1,
    symbolSize: 70,
    symbolStrokeWidth: 0,
  };
  const bySeries = <T>(range: T[]) => ({
    field: 'series',
    type: 'nominal' as const,
    scale: { domain: names, range },
    legend,
  });
  return {
    x: {
      field: 'x',
      type: 'quantitative' as const,
      scale: { type: x.scale, nice: false, padding: 12, ...(x.scale === 'linear' && { zero: false }) },
      axis: {
        title: x.label,
        values: places.sort((a, b) => a - b),
        labelOverlap: 'greedy' as const,
        grid: false,
        ...(x.format === 'percent' && { labelExpr: "format(100 * datum.value, '~r') + ' %'" }),
      },
    },
    y: {
      field: 'y',
      type: 'quantitative' as const,
      scale: { zero: false, nice: true },
      axis: { title: y.label, tickCount: 6 },
    },
    color: bySeries(styles.map(({ colour }) => colour)),
    shape: bySeries(styles.map(({ shape }) => shape)),
    strokeDash: bySeries(styles.map(({ dash }) => [...dash])),
  };
}

export function linesSpec(chart: LineChart, { width, link }: Drawing): TopLevelSpec {
  const { points, rules } = dataOf(chart, link);
  const { x, y, color, shape, strokeDash } = encodings(chart, width);
  const says = { field: 'says' };
  return {
    width,
    height: Math.round(Math.min(320, width * 0.8)),
    data: { values: points },
    layer: [
      {
        mark: { type: 'area', opacity: 0.14, aria: false },
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color },
      },
      { mark: { type: 'line', aria: false, strokeWidth: 2 }, encoding: { x, y, color, strokeDash } },
      {
        data: { values: rules },
        mark: { type: 'rule', color: 'currentColor', strokeDash: [3, 3], aria: false },
        encoding: { y },
      },
      ...linkedOrNot({
        data: { values: rules },
        mark: {
          type: 'text' as const,
          align: 'right' as const,
          baseline: 'bottom' as const,
          dy: -3,
          fill: 'currentColor',
          fontSize: 12,
          ariaRoleDescription: 'value',
        },
        encoding: { x: { value: width }, y, text: { field: 'name' }, description: says },
      }),
      ...linkedOrNot({
        mark: {
          type: 'point' as const,
          filled: true,
          size: 70,
          opacity: 1,
          ariaRoleDescription: 'value',
        },
        encoding: { x, y, color, shape, description: says },
      }),
    ],
  };
}
