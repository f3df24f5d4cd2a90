/** Words on the page: paragraphs, verdicts, and generated texts side by side. */
import { evidence, VERDICTS } from '../claims.js';
import type { Claim, MarkedText, SideBySide } from '../document.js';
import type { Anchors } from './anchors.js';
import { html, type Markup } from './markup.js';

/** Prose in which no line ends between a number and its percent sign. */
export function prose(text: string): string {
  return text.replace(/(\d) %/g, '$1\u00a0%');
}

/** Text whose paragraphs are set apart by empty lines. */
export function paragraphs(text: string): Markup[] {
  return text
    .split(/\n\s*\n/)
    .filter((paragraph) => paragraph.trim() !== '')
    .map((paragraph) => html`<p>${prose(paragraph)}</p>`);
}

/** Each claim with its verdict, told by a mark and a word besides the colour. */
export function claimsHtml(claims: readonly Claim[]): Markup {
  return html`<ul class="claims">
    ${claims.map((claim) => {
      const { mark, word } = VERDICTS[claim.verdict];
      const shown = evidence(claim);
      return html`<li class="${claim.verdict}">
        <span class="verdict"><span aria-hidden="true">${mark}</span> ${word}</span>
        <span class="claim"
          >${prose(claim.text)}${shown !== '' && html`<span class="evidence">${shown}</span>`}</span
        >
      </li> `;
    })}
  </ul>`;
}

/** How unsupported statements are marked; stands before the texts. */
export const MARK_LEGEND = html`<p class="legend">
  Statements that the references do not support are <mark>underlined with a wave</mark>.
</p>`;

function spanHtml({ text, unsupported }: MarkedText['spans'][number]): Markup {
  if (!unsupported) return html`${text}`;
  const before = html`<span class="spoken">[unsupported: </span>`;
  const after = html`<span class="spoken">]</span>`;
  return html`<mark title="not supported by the references">${before}${text}${after}</mark>`;
}

/** One question, its references, and what each setting answered, in columns where there is room. */
export function sideBySideHtml(item: SideBySide, anchors: Anchors): Markup {
  const anchor = anchors.number(item.sources);
  return html`<article class="side-by-side">
    <h4>${anchor === undefined ? item.title : html`<a href="#${anchor}">${item.title}</a>`}</h4>
    <details>
      <summary>Prompt</summary>
      <pre class="text">${item.prompt}</pre>
    </details>
    ${item.references.map(
      (text, i) =>
        html`<div class="reference">
          <h5>Reference${item.references.length > 1 && ` ${i + 1}`}</h5>
          <p>${text}</p>
        </div> `,
    )}
    <div class="columns">
      ${item.texts.map(
        ({ label, note, spans }) =>
          html`<div>
            <h5>${label} <span class="error">${note}</span></h5>
            <p>${spans.map(spanHtml)}</p>
          </div> `,
      )}
    </div>
  </article> `;
}
