/** A heat map a method, all on one colour scale, with the values in the cells where they fit. */
import type { TopLevelSpec } from 'vega-lite';
import { axisText, digitsFor } from '../chart-table.js';
import type { HeatMap } from '../document.js';
import { cellText } from '../table.js';
import { linkedOrNot, type Drawing } from './drawing.js';

/** Least width of a cell in which a number can be read, in pixels. */
const ROOM_FOR_NUMBER = 30;
/** Place on the scale below which white is easier to read on a cell than black. */
const DARK_BELOW = 0.48;
const CELL_HEIGHT = 26;

export function heatMapSpec({ x, y, value, facets }: HeatMap, { width, link }: Drawing): TopLevelSpec {
  const digits = digitsFor(facets.flatMap(({ cells }) => cells.map((cell) => cell.value)));
  const [columns, rows] = [x.values.map((at) => axisText(at)), y.values.map((at) => axisText(at))];
  const across = Math.max(1, Math.min(facets.length, Math.floor(width / 300)));
  const inner = Math.floor((width - (across - 1) * 60) / across);
  const cells = facets.flatMap(({ name, cells: all }) =>
    all.map((cell) => {
      const { value: shown, stderr, sources } = cell;
      const text = cellText({ value: shown, digits, ...(stderr !== undefined && { stderr }) });
      return {
        facet: name,
        x: axisText(cell.x),
        y: axisText(cell.y),
        value: shown,
        short: shown.toFixed(value.to - value.from >= 10 ? 0 : digits),
        dark: (shown - value.from) / (value.to - value.from) < DARK_BELOW,
        says: `${name}, ${x.label} ${axisText(cell.x)}, ${y.label} ${axisText(cell.y)}: ${text} ${value.label}`,
        link: link(sources),
      };
    }),
  );
  const at = {
    x: {
      field: 'x',
      type: 'ordinal' as const,
      scale: { domain: columns },
      axis: { title: x.label, labelAngle: 0 },
    },
    y: { field: 'y', type: 'ordinal' as const, scale: { domain: rows }, axis: { title: y.label } },
  };
  const tiles = linkedOrNot({
    mark: { type: 'rect' as const, stroke: 'var(--paper)', strokeWidth: 1, ariaRoleDescription: 'value' },
    encoding: {
      ...at,
      color: {
        field: 'value',
        type: 'quantitative' as const,
        scale: { scheme: 'cividis' as const, domain: [value.from, value.to], clamp: true },
        legend: {
          orient: 'top' as const,
          title: value.label,
          gradientLength: 160,
        },
      },
      description: { field: 'says' },
    },
  });
  const fits = inner / Math.max(1, columns.length) >= ROOM_FOR_NUMBER;
  const numbers = {
    mark: { type: 'text' as const, aria: false, fontSize: 11 },
    encoding: {
      ...at,
      text: { field: 'short' },
      color: { condition: { test: 'datum.dark', value: '#fff' }, value: '#000' },
    },
  };
  return {
    data: { values: cells },
    columns: across,
    facet: { field: 'facet', type: 'nominal', sort: facets.map(({ name }) => name) },
    spec: {
      width: inner,
      height: CELL_HEIGHT * rows.length,
      layer: [...tiles, ...(fits ? [numbers] : [])],
    },
  };
}
