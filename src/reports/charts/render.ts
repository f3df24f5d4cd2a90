/** Charts drawn on the server: a chart as vega-lite, vega-lite as SVG that follows the page's colours. */
import type { TopLevelSpec } from 'vega-lite';
import type { Chart } from '../document.js';
import { printableLines } from '../table.js';
import type { Drawing } from './drawing.js';
import { heatMapSpec } from './heatmap.js';
import { linesSpec } from './lines.js';

const SPECS: {
  [K in Chart['kind']]: (chart: Extract<Chart, { kind: K }>, drawing: Drawing) => TopLevelSpec;
} = {
  lines: linesSpec,
  heatmap: heatMapSpec,
};

/** Text and rules take the colours of the page around them, in either theme. */
const CONFIG = {
  background: 'transparent',
  font: 'inherit',
  view: { stroke: 'transparent' },
  axis: {
    labelColor: 'currentColor',
    titleColor: 'currentColor',
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    gridColor: 'var(--rule)',
    domainColor: 'var(--faint)',
    tickColor: 'var(--faint)',
  },
  legend: {
    labelColor: 'currentColor',
    labelFontSize: 12,
    labelLimit: 140,
    title: null,
    titleColor: 'currentColor',
    titleFontSize: 12,
    titleFontWeight: 'normal',
  },
  header: { labelColor: 'currentColor', labelFontSize: 13, labelFontWeight: 'bold', title: null },
} as const;

/** Each value says what it is to the pointer too, without any script. */
function withTitles(svg: string): string {
  return svg.replace(
    /<path aria-label="([^"]*)"([^>]*aria-roledescription="value"[^>]*)\/>/g,
    '<path aria-label="$1"$2><title>$1</title></path>',
  );
}

/** Ids that hold on a page of several drawings, and are the same whatever was drawn before. */
function withOwnIds(svg: string, id: string): string {
  return svg.replace(/(<linearGradient id="|="url\(#)gradient_\d+/g, `$1${id}-scale`);
}

/** A chart as an SVG element. */
export async function drawChart(chart: Chart, drawing: Drawing): Promise<string> {
  const spec = (SPECS[chart.kind] as (chart: Chart, drawing: Drawing) => TopLevelSpec)(chart, drawing);
  // Loaded here, since a report without charts should not wait for them.
  const [{ parse, View }, { compile }] = await Promise.all([import('vega'), import('vega-lite')]);
  const view = new View(parse(compile({ ...spec, config: CONFIG }).spec), { renderer: 'none' });
  try {
    return withTitles(withOwnIds(printableLines(await view.toSVG()), drawing.id));
  } finally {
    view.finalize();
  }
}
