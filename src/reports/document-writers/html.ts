/** A report as one HTML file that needs nothing else: no network, no server, no other file. */
import { tally } from '../claims.js';
import type { Block, ReportDocument, Section } from '../document.js';
import { Anchors } from '../html/anchors.js';
import { chartHtml } from '../html/chart.js';
import { inline, policyOf } from '../html/inline.js';
import { html as template, type Markup } from '../html/markup.js';
import { sourcesHtml } from '../html/sources.js';
import { notesHtml, tableHtml } from '../html/table.js';
import { claimsHtml, MARK_LEGEND, paragraphs, sideBySideHtml } from '../html/text.js';
import type { DocumentWriter } from './writer.js';

const BLOCKS: {
  [K in Block['kind']]: (block: Extract<Block, { kind: K }>, anchors: Anchors) => Markup | Promise<Markup>;
} = {
  table: ({ table }, anchors) => tableHtml(table, anchors),
  chart: ({ chart, notes }, anchors) => chartHtml(chart, notes, anchors),
  'side-by-side': ({ items, notes }, anchors) =>
    template`${MARK_LEGEND}${items.map((item) => sideBySideHtml(item, anchors))}${notesHtml(notes)}`,
  text: ({ text }) => template`${paragraphs(text)}`,
};

async function sectionHtml(section: Section, anchor: string, anchors: Anchors): Promise<Markup> {
  const blocks: Markup[] = [];
  for (const block of section.blocks) {
    const write = BLOCKS[block.kind] as (block: Block, anchors: Anchors) => Markup | Promise<Markup>;
    blocks.push(await write(block, anchors));
  }
  return template`<section id="${anchor}">
<h2>${section.title}</h2>
${paragraphs(section.intro)}
${section.claims.length > 0 && claimsHtml(section.claims)}
${blocks}
</section>
`;
}

async function page(document: ReportDocument): Promise<string> {
  const { title, made, sections } = document;
  const [style, script] = [inline('report', 'page.css'), inline('report', 'page.js')];
  const anchors = new Anchors(document);
  const places = sections.map((section) => ({ section, anchor: anchors.section(section.id) }));
  const bodies: Markup[] = [];
  for (const { section, anchor } of places) bodies.push(await sectionHtml(section, anchor, anchors));
  const contents = places.map(({ section, anchor }) => {
    const verdicts = tally(section.claims);
    return template`<li><a href="#${anchor}">${section.title}</a>${verdicts !== '' && template` <span class="error">${verdicts}</span>`}</li>
`;
  });
  return template`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policyOf(style, script)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
${style.element}
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header>
<h1>${title}</h1>
<ul class="made">${made.map((line) => template`<li>${line}</li>`)}</ul>
</header>
<nav aria-label="Contents"><h2>Contents</h2><ol>
${contents}<li><a href="#sources">Sources</a></li>
</ol></nav>
<main id="content" tabindex="-1">
${bodies}${sourcesHtml(document, anchors)}
</main>
${script.element}
</body>
</html>
`.text;
}

export const html: DocumentWriter = {
  name: 'html',
  summary: 'One self-contained page with sortable tables, charts, and the sources of every number',
  reference: 'HTML Living Standard',
  extension: 'html',
  write: page,
};
