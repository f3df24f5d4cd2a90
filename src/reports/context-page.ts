/** A compressed document as a page of its own: its text, with what was kept highlighted. */
import { html, type Markup } from './html/markup.js';
import { inline, policyOf } from './html/inline.js';

export interface MarkedText {
  title: string;
  /** Lines on how it came to be. */
  made: readonly string[];
  pieces: readonly string[];
  layers: number;
  heads: number;
  /** By [layer · heads + head][token]; a single layer stands for all where all keep the same. */
  kept: readonly (readonly boolean[])[];
}

/** Text of neighbouring tokens that the same heads keep. */
export interface Run {
  text: string;
  /** 0 or 1 for each layer and head, as `kept`. */
  marks: string;
}

/** Neighbouring tokens that the same heads keep, joined. */
export function runsOf({ pieces, kept }: Pick<MarkedText, 'pieces' | 'kept'>): Run[] {
  const runs: Run[] = [];
  pieces.forEach((text, token) => {
    const marks = kept.map((list) => (list[token] ? '1' : '0')).join('');
    const last = runs.at(-1);
    if (last?.marks === marks) last.text += text;
    else runs.push({ text, marks });
  });
  return runs.filter(({ text }) => text !== '');
}

/** Share of the heads that keep a run, in tenths, rounded up: what a single head keeps can be seen. */
export function tenths(marks: string): number {
  const count = marks.split('1').length - 1;
  return Math.ceil((10 * count) / marks.length);
}

function choice(name: string, count: number): Markup {
  const options = Array.from({ length: count }, (_, i) => html`<option value="${i}">${i}</option>`);
  return html`<label
    >${name}
    <select id="${name}">
      <option value="">all</option>
      ${options}
    </select></label
  >`;
}

/** The page as HTML that needs no other file. */
export function contextPage(marked: MarkedText): string {
  const [style, script] = [inline('context', 'page.css'), inline('context', 'page.js')];
  const { title, made, heads, kept } = marked;
  const layers = kept.length / heads;
  const runs = runsOf(marked).map(({ text, marks }) =>
    kept.length === 1
      ? html`<span class="s${tenths(marks)}">${text}</span>`
      : html`<span class="s${tenths(marks)}" data-marks="${marks}">${text}</span>`,
  );
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${policyOf(style, script)}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        ${style.element}
      </head>
      <body>
        <h1>${title}</h1>
        <ul>
          ${made.map((line) => html`<li>${line}</li>`)}
        </ul>
        <p class="choices" data-heads="${heads}">
          ${layers > 1 && choice('layer', layers)} ${heads > 1 && choice('head', heads)}
          <span class="s10">kept</span
          >${kept.length > 1 && html` <span class="s5">kept by half of the heads</span>`}
          <span class="s0">evicted</span>
        </p>
        <main>${runs}</main>
        ${script.element}
      </body>
    </html> `.text;
}
