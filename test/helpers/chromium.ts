/** A real browser for tests of pages; Debian's, or the one that KVD_CHROMIUM names. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';

const PLACES = [process.env.KVD_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser'];

/** Path of Chromium; undefined where there is none. */
export const chromiumPath = PLACES.find((path) => path !== undefined && existsSync(path));

const CHROMIUM_FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface Pages {
  /** Folder of the pages, which goes when the tests end. */
  readonly folder: string;
  /** Whatever must not happen on any page: errors, dialogs, messages, requests of other files. */
  readonly troubles: string[];
  /** Opens a file of the folder; the page is closed behind the test. */
  open: (file: string, options?: BrowserContextOptions) => Promise<Page>;
}

/** Pages from disk for the tests of a `describe`, which fail where a page had troubles that they did not take out. */
export function pagesFromDisk(): Pages {
  const folder = mkdtempSync(join(tmpdir(), 'kvd-pages-'));
  const troubles: string[] = [];
  let browser: Browser;
  let page: Page | undefined;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: chromiumPath!, args: CHROMIUM_FLAGS });
  });
  afterEach(async () => {
    await page?.close();
    expect(troubles.splice(0)).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const open = async (file: string, options: BrowserContextOptions = {}): Promise<Page> => {
    const url = pathToFileURL(join(folder, file)).href;
    page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
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
  };
  return { folder, troubles, open };
}
