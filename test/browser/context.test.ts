/** The page of `kvd ask --explain` in a real browser, opened from disk. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { contextPage, type MarkedText } from '../../src/reports/context-page.js';
import { chromiumPath, pagesFromDisk } from '../helpers/chromium.js';

const reason = chromiumPath === undefined ? ' (skipped: no Chromium; apt-get install chromium)' : '';

/** Five tokens, and which of them each head of two layers keeps. */
const marked: MarkedText = {
  title: 'A <b>document</b>',
  made: ['3 of 5 rows kept', '</ul><script>window.hacked = 1</script>'],
  pieces: [
    'One',
    ' two',
    ' <script>window.hacked = 1</script>',
    ' four',
    ' <img src=x onerror="hacked = 1">',
  ],
  layers: 2,
  heads: 2,
  kept: ['10011', '11001', '10011', '10001'].map((marks) => [...marks].map((mark) => mark === '1')),
};

/** How well text on its mark can be read (WCAG 2.2): 1 to 21, 4.5 or more for text of this size. */
const CONTRAST = `(span) => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const luminance = (...layers) => {
    for (const layer of layers) { canvas.fillStyle = layer; canvas.fillRect(0, 0, 1, 1); }
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data]
      .map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = getComputedStyle(document.body).backgroundColor;
  const { color, backgroundColor } = getComputedStyle(span);
  const [low, high] = [luminance(paper, backgroundColor), luminance(paper, backgroundColor, color)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}`;

describe.skipIf(chromiumPath === undefined)(`explained document in Chromium${reason}`, () => {
  const pages = pagesFromDisk();
  const file = 'page.html';
  let page: Page;

  const open = async (options?: BrowserContextOptions): Promise<void> => {
    page = await pages.open(file, options);
  };
  /** Tenths of the chosen heads that keep each run, as the page marks them. */
  const shown = (): Promise<(string | null)[]> =>
    page
      .locator('main span')
      .all()
      .then((spans) => Promise.all(spans.map((span) => span.getAttribute('class'))));

  beforeAll(() => writeFileSync(join(pages.folder, file), contextPage(marked)));

  it('marks what all heads keep, some, or none, and what a layer or head keeps alone', async () => {
    await open();
    expect(await shown()).toEqual(['s10', 's3', 's0', 's5', 's10']);
    await page.getByLabel('layer').selectOption('0');
    expect(await shown()).toEqual(['s10', 's5', 's0', 's5', 's10']);
    await page.getByLabel('head').selectOption('1');
    expect(await shown()).toEqual(['s10', 's10', 's0', 's0', 's10']);
    await page.getByLabel('layer').selectOption('1');
    expect(await shown()).toEqual(['s10', 's0', 's0', 's0', 's10']);
    await page.getByLabel('layer').selectOption('');
    await page.getByLabel('head').selectOption('');
    expect(await shown()).toEqual(['s10', 's3', 's0', 's5', 's10']);
  });

  it('shows the document as it is and runs nothing of it', async () => {
    await open();
    expect(await page.locator('main').textContent()).toBe(marked.pieces.join(''));
    expect(await page.locator('h1').textContent()).toBe(marked.title);
    expect(await page.evaluate('"hacked" in globalThis')).toBe(false);
    expect(await page.locator('script').count()).toBe(1);
    expect(await page.locator('img, b').count()).toBe(0);
  });

  it.each(['light', 'dark'] as const)('can be read, and tells kept from evicted, %s', async (colorScheme) => {
    await open({ colorScheme });
    const ofSpans = <T>(look: string): Promise<T[]> =>
      page.evaluate<T[]>(`[...document.querySelectorAll('main span')].map(${look})`);
    for (const contrast of await ofSpans<number>(CONTRAST)) expect(contrast).toBeGreaterThan(4.5);
    const fills = await ofSpans<string>('(span) => getComputedStyle(span).backgroundColor');
    expect(fills[2]).toBe('rgba(0, 0, 0, 0)');
    expect(new Set(fills).size).toBe(4);
  });
});
