/** Plans of what to compress, and what is shown of what was kept. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { compressDocuments } from '../../../src/contexts/compress.js';
import type { CompressedContext } from '../../../src/contexts/context.js';
import { contextTokens, explain } from '../../../src/contexts/explain.js';
import { methods } from '../../../src/methods/index.js';
import { contextPage } from '../../../src/reports/context-page.js';
import { planOf, readPlan } from '../../../src/workflows/compress-plan.js';
import { renderExplanation } from '../../../src/workflows/explain.js';
import type { LoadedModel } from '../../../src/workflows/session.js';
import { document, shipped } from '../../helpers/contexts.js';

const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
const file = join(folder, 'a.txt');
writeFileSync(file, 'One two three.\n');

describe('plans', () => {
  it('from arguments: one ratio for all or each its own, spans of one document over the rest kept whole', () => {
    const text = 'One two three.';
    const base = { text, name: 'a.txt', spans: [] };
    expect(planOf([file, file], [], []).documents).toEqual(
      [base, base].map((one) => ({ ...one, retention: 0.2 })),
    );
    expect(planOf([file, file], ['0.5', '1'], []).documents.map(({ retention }) => retention)).toEqual([
      0.5, 1,
    ]);
    const { documents } = planOf([file], [], ['8:@0.1', ':3@0.5']);
    expect(documents[0]!.retention).toBe(1);
    expect(documents[0]!.spans).toEqual([
      { to: 3, retention: 0.5 },
      { from: 8, retention: 0.1 },
    ]);
  });

  it('from a file, whose documents are named from its own folder', () => {
    const plan = join(folder, 'plan.yaml');
    writeFileSync(
      plan,
      'retention: 0.5\ndocuments:\n  - text: Hello.\n    retention: 1\n  - file: a.txt\n    spans: [{from: 4, retention: 0.1}]\n',
    );
    expect(readPlan(plan)).toEqual({
      retention: 0.5,
      documents: [
        { text: 'Hello.', retention: 1 },
        { text: 'One two three.', name: 'a.txt', spans: [{ from: 4, retention: 0.1 }] },
      ],
    });
  });

  it.each([
    [
      'an unknown key',
      'documents: [{file: a.txt, retain_ratio: 1}]',
      /plan\.yaml:1:27: unknown key "retain_ratio"; did you mean "retention"/,
    ],
    ['neither file nor text', 'documents: [{name: x}]', /name a file, or give a text/],
    ['a missing file', 'documents: [{file: none.txt}]', /none\.txt: no such file|no such file/],
  ])('refuses %s with its place', (_what, text, message) => {
    const plan = join(folder, 'plan.yaml');
    writeFileSync(plan, text);
    expect(() => readPlan(plan)).toThrow(message);
  });

  it.each([
    ['no document', () => planOf([], [], []), /no document/],
    ['spans of two', () => planOf([file, file], [], [':3@0.5']), /of one document, not of 2/],
    ['too many ratios', () => planOf([file], ['0.1', '0.2'], []), /2 ratios for 1/],
    ['a ratio over 1', () => planOf([file], ['1.5'], []), /no retention ratio/],
    ['no ratio', () => planOf([file], [''], []), /no retention ratio/],
    ['a span without a ratio', () => planOf([file], [], ['1:2']), /no span/],
  ])('refuses %s', (_what, plan, message) => {
    expect(plan).toThrow(message);
  });
});

describe('what was kept', () => {
  let model: LoadedModel;
  let shared: CompressedContext;
  let perHead: CompressedContext;

  beforeAll(async () => {
    const { model: loaded, compressor } = await shipped();
    model = loaded;
    shared = await compressDocuments(model, [{ text: document }], { ...compressor, retention: 0.3 });
    const h2i = { method: methods.get('h2i'), options: { n_sink: 1 } };
    perHead = await compressDocuments(model, [{ text: document }], { ...h2i, retention: 0.3 });
  });

  const shown = (context: CompressedContext, options: object): string =>
    renderExplanation('t', context, context.tokenIds!, model.tokenizer, { colour: false, ...options });

  it('is marked in the text, which stays as it was', () => {
    const text = shown(shared, {}).split('\n\n')[1]!;
    expect(text.replace(/[[\]]/g, '').trim()).toBe(document);
    const { kept, heads, pieces } = explain(shared, shared.tokenIds!, model.tokenizer);
    expect([kept.length, heads]).toEqual([1, 1]);
    expect(kept[0]!.filter(Boolean)).toHaveLength(shared.info.segments[0]!.kept);
    const brackets = [...text.matchAll(/\[(.*?)\]/g)].map(([, inner]) => inner).join('');
    expect(brackets).toBe(pieces.filter((_, token) => kept[0]![token]).join(''));
  });

  it('differs by layer and head where the method chooses for each', () => {
    const { kept, heads, layers } = explain(perHead, perHead.tokenIds!, model.tokenizer);
    const { numLayers, numKvHeads } = model.model.config;
    expect([kept.length, heads, layers]).toEqual([numLayers * numKvHeads, numKvHeads, numLayers]);
    for (const list of kept) expect(list.filter(Boolean)).toHaveLength(perHead.info.segments[0]!.kept);
    expect(new Set(kept.map(String)).size).toBeGreaterThan(1);
    expect(shown(perHead, {})).toContain('{');
    expect(shown(perHead, { layer: 1, head: 0 })).not.toContain('{');
    expect(() => shown(perHead, { head: numKvHeads })).toThrow(/none of 0 to/);
  });

  it('is told of the very tokens alone', () => {
    const { tokenIds, ...bare } = shared;
    const ids = [...tokenIds!];
    expect(contextTokens(bare, ids)).toEqual(ids);
    expect(() => contextTokens(bare, undefined)).toThrow(/does not hold its text/);
    expect(() => contextTokens(bare, [...ids.slice(0, -1), ids.at(-1)! + 1])).toThrow(/made of another text/);
  });

  it('is a page of its own, which shows text and never runs it', () => {
    const page = join(folder, 'page.html');
    shown(perHead, { page });
    const text = readFileSync(page, 'utf8');
    expect(text).not.toMatch(/(src|href)=/);
    expect(text.replace(/<script>.*<\/script>|<style>.*<\/style>|<[^>]*>/gs, '')).toContain('Mina Nolan');
    expect(text).toContain('id="layer"');
    const marked = { pieces: ['<script>alert(1)</script>', '"'], layers: 1, heads: 1, kept: [[true, false]] };
    const hostile = contextPage({ title: '<b>', made: ['</ul><i>'], ...marked });
    expect(hostile).not.toMatch(/<b>|<i>|<script>alert/);
    expect(hostile).toContain(
      '<span class="s10">&lt;script&gt;alert(1)&lt;/script&gt;</span><span class="s0">&quot;</span>',
    );
  });
});
