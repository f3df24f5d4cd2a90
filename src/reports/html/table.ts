/** A table as HTML, ready to be sorted by the page's script. */
import { cellText, shownColumns, type Cell, type Column, type Table } from '../table.js';
import type { Anchors } from './anchors.js';
import { html, type Markup } from './markup.js';

/** What a cell is sorted by: its number, or its text; nothing where nothing was measured. */
function sortKey(cell: Cell | undefined): string {
  if (cell === null || cell === undefined) return '';
  if (typeof cell === 'object') return `${cell.value}`;
  const number = /^[−-]?\d+(\.\d+)?/.exec(cell)?.[0];
  return number === undefined ? cell : number.replace('−', '-');
}

/** A number that leads to its sources; error and difference stand back. */
function content(cell: Cell | undefined, anchors: Anchors): Markup {
  const whole = cellText(cell);
  if (cell === null || cell === undefined)
    return html`<span class="none" title="not measured">${whole}</span>`;
  if (typeof cell === 'string') return html`${whole}`;
  const value = cellText({ value: cell.value, digits: cell.digits });
  const anchor = anchors.number(cell.sources);
  const number = anchor === undefined ? html`${value}` : html`<a href="#${anchor}">${value}</a>`;
  const rest = whole.slice(value.length);
  return html`${number}${rest !== '' && html`<span class="error">${rest}</span>`}`;
}

function cellOf(column: Column, cell: Cell | undefined, first: boolean, anchors: Anchors): Markup {
  const align = column.align === 'right' && 'right';
  const inner = content(cell, anchors);
  return first
    ? html`<th scope="row" class="${align}" data-key="${sortKey(cell)}">${inner}</th>`
    : html`<td class="${align}" data-key="${sortKey(cell)}">${inner}</td>`;
}

/** The table in a box of its own, which scrolls where the page is narrow. */
export function tableHtml(table: Table, anchors: Anchors): Markup {
  const columns = shownColumns(table);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${table.title}">
      <table class="sortable">
        <caption>
          ${table.title}
        </caption>
        <thead>
          <tr>
            ${columns.map(
              ({ label, align }) =>
                html`<th scope="col" class="${align === 'right' && 'right'}">${label}</th>`,
            )}
          </tr>
        </thead>
        <tbody>
          ${table.rows.map(
            (row) =>
              html`<tr>
                ${columns.map((column, i) => cellOf(column, row[column.key], i === 0, anchors))}
              </tr> `,
          )}
        </tbody>
      </table>
    </div>
    ${notesHtml(table.notes)}`;
}

/** What has to be known to read a table or chart. */
export function notesHtml(notes: readonly string[]): Markup {
  return html`${
    notes.length > 0 &&
    html`<ul class="notes">
      ${notes.map((note) => html`<li>${note}</li>`)}
    </ul>`
  }`;
}
