/** The HTML report in a real browser, opened from disk. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { html } from '../../src/reports/document-writers/html.js';
import { chromiumPath, pagesFromDisk } from '../helpers/chromium.js';
import { HOSTILE, reportOf, sampleReport } from '../helpers/report.js';

const reason = chromiumPath === undefined ? ' (skipped: no Chromium; apt-get install chromium)' : '';

describe.skipIf(chromiumPath === undefined)(`report in Chromium${reason}`, () => {
  const { folder, troubles, open: openFile } = pagesFromDisk();
  const file = (name: string): string => `${name}.html`;
  let page: Page;

  async function open(name: string, options?: BrowserContextOptions): Promise<Page> {
    page = await openFile(file(name), options);
    return page;
  }

  /** Texts of a column of the first table, from above. */
  function column(index: number): Promise<string[]> {
    return page.locator('table').first().locator(`tbody tr > :nth-child(${index})`).allTextContents();
  }

  beforeAll(async () => {
    writeFileSync(join(folder, file('whole')), await html.write(sampleReport()));
    writeFileSync(join(folder, file('hostile')), await html.write(reportOf(HOSTILE)));
  });

  it('asks nothing of the network and reports no error', async () => {
    await open('whole');
    expect(await page.title()).toBe('KV-Distill at nano scale');
    expect(await page.locator('.chart.wide svg').count()).toBe(2);
  });

  it("runs nothing of a model's output, whatever was written", async () => {
    await open('hostile');
    expect(await page.evaluate(() => 'hacked' in globalThis)).toBe(false);
    expect(await page.locator('script').count()).toBe(1);
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.locator('.side-by-side pre').first().textContent()).toContain(
      '<script>window.hacked = 1</script>',
    );
  });

  it('refuses inline script that it did not bring itself', async () => {
    await open('whole');
    await page.evaluate(`document.body.insertAdjacentHTML('beforeend', '<img src="data:," onerror="hacked = 1">');
      const script = document.createElement('script');
      script.textContent = 'window.hacked = 1';
      document.body.append(script);`);
    expect(await page.evaluate(() => 'hacked' in globalThis)).toBe(false);
    expect(troubles.splice(0).join()).toContain('Content Security Policy');
  });

  it('sorts tables by mouse', async () => {
    await open('whole');
    const head = page.locator('table').first().locator('thead th').nth(1);
    await head.getByRole('button').click();
    expect(await head.getAttribute('aria-sort')).toBe('ascending');
    expect(await column(1)).toEqual(['streaming', 'h2i', 'snapkv', 'h2a', 'kvd']);
    await head.getByRole('button').click();
    expect(await head.getAttribute('aria-sort')).toBe('descending');
    expect(await column(1)).toEqual(['kvd', 'h2a', 'snapkv', 'h2i', 'streaming']);
  });

  it('sorts tables by key, with what was not measured at the end', async () => {
    await open('whole');
    const heads = page.locator('table').first().locator('thead th');
    await heads.first().getByRole('button').focus();
    await page.keyboard.press('Space');
    expect(await column(1)).toEqual(['h2a', 'h2i', 'kvd', 'snapkv', 'streaming']);
    await heads.last().getByRole('button').focus();
    await page.keyboard.press('Enter');
    expect(await column(7)).toEqual(['66.6 ± 0.7', '75.6 ± 0.7', '84.6 ± 0.7', '—', '—']);
    await page.keyboard.press('Enter');
    expect(await column(7)).toEqual(['84.6 ± 0.7', '75.6 ± 0.7', '66.6 ± 0.7', '—', '—']);
  });

  it('goes round the themes, and back to that of the system', async () => {
    await open('whole', { colorScheme: 'light' });
    const paper = (): Promise<string> => page.evaluate(`getComputedStyle(document.body).backgroundColor`);
    const light = await paper();
    const button = page.getByRole('button', { name: 'Theme: auto' });
    await button.click();
    expect(await paper()).toBe(light);
    await page.getByRole('button', { name: 'Theme: light' }).press('Enter');
    expect(await paper()).not.toBe(light);
    await page.reload();
    expect(await paper()).not.toBe(light);
    await page.getByRole('button', { name: 'Theme: dark' }).click();
    expect(await paper()).toBe(light);
  });

  it.each(['light', 'dark'] as const)('fits a phone without sideways scrolling, %s', async (colorScheme) => {
    await open('whole', { viewport: { width: 375, height: 800 }, colorScheme });
    await page.evaluate(`for (const details of document.querySelectorAll('details')) details.open = true`);
    const wide = await page.evaluate('document.documentElement.scrollWidth');
    expect(wide).toBe(375);
    expect(await page.locator('.chart.narrow').first().isVisible()).toBe(true);
  });

  it('holds unbroken hostile text on a phone too', async () => {
    await open('hostile', { viewport: { width: 375, height: 800 } });
    await page.evaluate(`for (const details of document.querySelectorAll('details')) details.open = true`);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(375);
  });

  it('leads from a number to its evaluations, configuration and samples', async () => {
    await open('whole');
    await page.locator('table').first().locator('tbody a').first().click();
    const set = page.locator(':target');
    expect(await set.textContent()).toContain('kvd at 1 %, nano-qa, seed 1');
    await set.getByRole('link').first().click();
    const source = page.locator('details:target');
    expect(await source.getAttribute('open')).not.toBeNull();
    expect(await source.textContent()).toContain('What is the job of Mina Nolan?');
    await source.getByRole('link', { name: 'Configuration' }).click();
    expect(await page.locator('details:target pre').textContent()).toContain('name: kvd');
    expect(await page.locator('details:target pre').isVisible()).toBe(true);
  });

  it('has a target for every link, without any script too', async () => {
    await open('whole', { javaScriptEnabled: false });
    const text = await page.content();
    const ids = new Set([...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
    const links = [...text.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id);
    expect(links.length).toBeGreaterThan(100);
    expect(links.filter((id) => !ids.has(id))).toEqual([]);
    expect(ids.size).toBe([...text.matchAll(/ id="/g)].length);
  });

  it('shows values of charts to the pointer and to keys', async () => {
    await open('whole');
    const chart = page.locator('.chart.wide').first();
    const tip = page.locator('.tip');
    await chart.locator('path[aria-label^="kvd, retention 10 %"]').hover({ force: true });
    expect(await tip.textContent()).toBe('kvd, retention 10 %: 88.6 ± 0.8');
    const stops = chart.locator('[tabindex="0"]');
    expect(await stops.count()).toBe(1);
    await stops.focus();
    expect(await tip.textContent()).toBe('uncompressed: 97.8 ± 0.3');
    await page.keyboard.press('ArrowRight');
    expect(await tip.textContent()).toBe('without context: 8.5 ± 0.9');
    await page.keyboard.press('End');
    expect(await tip.textContent()).toBe('streaming, retention 50 %: 75.1 ± 4.8');
    await page.keyboard.press('Enter');
    expect(await page.locator(':target').count()).toBe(1);
  });

  it('skips to the content by key', async () => {
    await open('whole');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).toBe('content');
  });

  it('prints everything, in light, on the width of a page', async () => {
    await open('whole', { viewport: { width: 720, height: 1000 }, colorScheme: 'dark' });
    await page.emulateMedia({ media: 'print' });
    await page.evaluate(`dispatchEvent(new Event('beforeprint'))`);
    expect(await page.locator('details:not([open])').count()).toBe(0);
    expect(await page.evaluate('getComputedStyle(document.body).colorScheme')).toBe('light');
    expect(await page.locator('.theme').isVisible()).toBe(false);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(720);
  });
});
