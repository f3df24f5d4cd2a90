/** A real browser for tests of pages; Debian's, or the one that KVD_CHROMIUM names. */
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';

const PLACES = [process.env.KVD_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser'];

/** Path of Chromium; undefined where there is none. */
export const chromiumPath = PLACES.find((path) => path !== undefined && existsSync(path));

export const CHROMIUM_FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Opens a page from disk.
 * @param troubles gets whatever must not happen on any page: errors, dialogs, messages, requests of other files
 */
export async function openPage(
  browser: Browser,
  file: string,
  troubles: string[],
  options: BrowserContextOptions = {},
): Promise<Page> {
  const url = pathToFileURL(file).href;
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
  page.on('console', (message) => troubles.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => troubles.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => {
    troubles.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (request.url() !== url) troubles.push(`request: ${request.url()}`);
  });
  await page.goto(url);
  return page;
}
