/** A real browser for tests of pages; Debian's, or the one that KVD_CHROMIUM names. */
import { existsSync } from 'node:fs';

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
