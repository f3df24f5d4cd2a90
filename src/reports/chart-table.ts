/** The values of a chart as a table: beside the drawing, and in formats that draw nothing. */
import type { Chart, HeatMap, LineChart } from './document.js';
import type { Column, Measurement, Table } from './table.js';

interface Value {
  stderr?: number;
  sources?: readonly string[];
}

/** Decimal places that show about three digits of the greatest of some values. */
export function digitsFor(values: readonly number[]): number {
  const greatest = Math.max(0, ...values.map(Math.abs));
  return greatest >= 10 ? 1 : greatest >= 1 ? 2 : 3;
}

/** A place on an axis as text: 0.2 as "20 %" where the axis is in percent. */
export function axisText(value: string | number, format: 'number' | 'percent' = 'number'): string {
  if (typeof value === 'string') return value;
  return format === 'percent' ? `${Number((100 * value).toPrecision(6))} %` : `${value}`;
}

function measurement(value: number, { stderr, sources }: Value, digits: number): Measurement {
  return {
    value,
    digits,
    ...(stderr !== undefined && { stderr }),
    ...(sources !== undefined && { sources }),
  };
}

function right(key: string, label: string): Column {
  return { key, label, align: 'right' };
}

function linesTable({ title, x, y, series, rules }: LineChart): Table {
  const all = [
    ...series.flatMap(({ points }) => points.map((point) => point.y)),
    ...rules.map((rule) => rule.y),
  ];
  const digits = digitsFor(all);
  return {
    title,
    columns: [{ key: 'series', label: 'series', align: 'left' }, right('x', x.label), right('y', y.label)],
    rows: [
      ...rules.map((rule) => ({ series: rule.name, x: null, y: measurement(rule.y, rule, digits) })),
      ...series.flatMap(({ name, points }) =>
        points.map((point) => ({
          series: name,
          x: axisText(point.x, x.format),
          y: measurement(point.y, point, digits),
        })),
      ),
    ],
    notes: [],
  };
}

function heatMapTable({ title, x, y, value, facets }: HeatMap): Table {
  const digits = digitsFor(facets.flatMap(({ cells }) => cells.map((cell) => cell.value)));
  return {
    title: `${title}: ${value.label}`,
    columns: [
      { key: 'facet', label: 'map', align: 'left' },
      right('y', y.label),
      ...x.values.map((at, i) => right(`x${i}`, `${x.label} ${axisText(at)}`)),
    ],
    rows: facets.flatMap(({ name, cells }) =>
      y.values.map((row) => ({
        facet: name,
        y: axisText(row),
        ...Object.fromEntries(
          x.values.map((at, i) => {
            const cell = cells.find((one) => one.x === at && one.y === row);
            return [`x${i}`, cell === undefined ? null : measurement(cell.value, cell, digits)];
          }),
        ),
      })),
    ),
    notes: [],
  };
}

const TABLES: { [K in Chart['kind']]: (chart: Extract<Chart, { kind: K }>) => Table } = {
  lines: linesTable,
  heatmap: heatMapTable,
};

/** Every value of a chart with its error and sources. */
export function chartTable(chart: Chart): Table {
  return (TABLES[chart.kind] as (chart: Chart) => Table)(chart);
}
