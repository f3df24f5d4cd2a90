/** What stands behind the numbers, at the end of the page: sets of evaluations, evaluations, configurations. */
import type { ReportDocument, SourceDetail } from '../document.js';
import type { Anchors, SourceSet } from './anchors.js';
import { html, type Markup } from './markup.js';

/** Prompts longer than this are shown once, and referred to afterwards. */
const LONG_PROMPT = 200;

/** Texts that many sources share, each shown once under an anchor. */
class Shared {
  private readonly anchors = new Map<string, string>();

  constructor(private readonly prefix: string) {}

  /** Anchor of a text, and whether this is the first time that it is asked for. */
  anchor(text: string): { anchor: string; number: number; first: boolean } {
    const known = this.anchors.get(text);
    const number = known === undefined ? this.anchors.size + 1 : Number(known.slice(this.prefix.length + 1));
    const anchor = known ?? `${this.prefix}-${number}`;
    this.anchors.set(text, anchor);
    return { anchor, number, first: known === undefined };
  }

  texts(): [text: string, anchor: string][] {
    return [...this.anchors];
  }
}

function promptHtml(prompt: string, prompts: Shared): Markup {
  if (prompt.length <= LONG_PROMPT) return html`<pre class="text">${prompt}</pre>`;
  const { anchor, number, first } = prompts.anchor(prompt);
  if (!first) {
    return html`<p>…${prompt.slice(-LONG_PROMPT / 2)} <a href="#${anchor}">Prompt ${number}, whole</a></p>`;
  }
  return html`<details id="${anchor}">
    <summary>Prompt ${number}, ${prompt.length} characters</summary>
    <pre class="text">${prompt}</pre>
  </details>`;
}

function sampleHtml(sample: SourceDetail['samples'][number], prompts: Shared): Markup {
  return html`<li>
    <dl>
      <dt>Prompt</dt>
      <dd>${promptHtml(sample.prompt, prompts)}</dd>
      <dt>Output</dt>
      <dd><pre class="text">${sample.output}</pre></dd>
      <dt>Reference${sample.references.length !== 1 && 's'}</dt>
      ${sample.references.map((text) => html`<dd><pre class="text">${text}</pre></dd>`)}
      <dt>Marks</dt>
      <dd>${sample.marks}</dd>
    </dl>
  </li> `;
}

function sourceHtml(source: SourceDetail, anchors: Anchors, configs: Shared, prompts: Shared): Markup {
  const { anchor, number } = configs.anchor(source.config);
  return html`<details id="${anchors.source(source.id)}" class="source">
    <summary>${source.label} <span class="error">${source.id}</span></summary>
    <p>${source.made}. <a href="#${anchor}">Configuration ${number}</a></p>
    ${
      source.samples.length > 0 &&
      html`<h4>First samples</h4>
        <ol>
          ${source.samples.map((sample) => sampleHtml(sample, prompts))}
        </ol>`
    }
  </details> `;
}

function setHtml({ anchor, ids }: SourceSet, anchors: Anchors, labels: ReadonlyMap<string, string>): Markup {
  return html`<li id="${anchor}">
    ${ids.map((id, i) => {
      const target = anchors.source(id);
      const text = target === undefined ? `${id} (no details kept)` : (labels.get(id) ?? id);
      return html`${i > 0 && '; '}${target === undefined ? text : html`<a href="#${target}">${text}</a>`}`;
    })}
  </li> `;
}

/** To be called last: it lists the sets that the numbers of the page were linked to. */
export function sourcesHtml({ sources }: ReportDocument, anchors: Anchors): Markup {
  const [configs, prompts] = [new Shared('configuration'), new Shared('prompt')];
  const labels = new Map(sources.map(({ id, label }) => [id, label]));
  const evaluations = sources.map((source) => sourceHtml(source, anchors, configs, prompts));
  const sets = anchors.usedSets();
  return html`<section id="sources">
    <h2>Sources</h2>
    <p>Every number links to the evaluations it was computed from.</p>
    ${
      sets.length > 0 &&
      html`<h3>Numbers of several evaluations</h3>
        <ol class="sets">
          ${sets.map((set) => setHtml(set, anchors, labels))}
        </ol>`
    }
    ${
      sources.length > 0 &&
      html`<h3>Evaluations</h3>
        ${evaluations}
        <h3>Configurations</h3>
        ${configs.texts().map(
          ([text, anchor], i) =>
            html`<details id="${anchor}">
              <summary>Configuration ${i + 1}</summary>
              <pre>${text}</pre>
            </details> `,
        )}`
    }
  </section>`;
}
