/** A chart on the page: drawn for wide and for narrow screens, with its values in a table beside it. */
import type { Drawing } from '../charts/drawing.js';
import { drawChart } from '../charts/render.js';
import { chartTable } from '../chart-table.js';
import type { Chart } from '../document.js';
import type { Anchors } from './anchors.js';
import { html, raw, type Markup } from './markup.js';
import { notesHtml, tableHtml } from './table.js';

/** Plot widths in pixels, by the class that shows one or the other. */
const WIDTHS = { wide: 640, narrow: 270 } as const;

export async function chartHtml(chart: Chart, notes: readonly string[], anchors: Anchors): Promise<Markup> {
  const link: Drawing['link'] = (sources) => {
    const anchor = anchors.number(sources);
    return anchor === undefined ? undefined : `#${anchor}`;
  };
  const id = anchors.chart();
  const drawings: Markup[] = [];
  for (const [name, width] of Object.entries(WIDTHS)) {
    const svg = await drawChart(chart, { id: `${id}-${name}`, width, link });
    drawings.push(
      html`<div class="chart ${name}" role="group" aria-label="Chart: ${chart.title}">${raw(svg)}</div> `,
    );
  }
  return html`<figure>
    <figcaption>${chart.title}</figcaption>
    ${drawings}
    <details>
      <summary>Values as a table</summary>
      ${tableHtml(chartTable(chart), anchors)}
    </details>
    ${notesHtml(notes)}
  </figure> `;
}
