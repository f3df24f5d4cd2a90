/** HTML that is safe by construction: whatever is put into a template is escaped unless it is markup itself. */
import { printableLines } from '../table.js';

/** A piece of HTML, made by `html` or taken as it is by `raw`. */
export class Markup {
  constructor(readonly text: string) {}
}

export type Insert = Markup | string | number | undefined | false | readonly Insert[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text for content and quoted attributes, without control characters; line breaks stay. */
export function escapeHtml(text: string): string {
  return printableLines(text).replace(/[&<>"']/g, (mark) => ENTITIES[mark]!);
}

function insert(value: Insert): string {
  if (value === undefined || value === false) return '';
  if (value instanceof Markup) return value.text;
  if (typeof value === 'string') return escapeHtml(value);
  if (typeof value === 'number') return `${value}`;
  return value.map(insert).join('');
}

/** Template tag: `html\`<td>${text}</td>\``. Lists are joined; undefined and false leave nothing; indentation of the template goes. */
export function html(parts: TemplateStringsArray, ...values: Insert[]): Markup {
  const lean = parts.map((part) => part.replace(/\n\s+/g, '\n'));
  return new Markup(lean.reduce((text, part, i) => text + insert(values[i - 1]) + part));
}

/** Text that is HTML already, from this package or from the chart library: never from a model. */
export function raw(text: string): Markup {
  return new Markup(text);
}
