/** Packages that tfjs-node's own installer needs are installed beside it, and never loaded (SECURITY.md). */
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { installedEngine } from '../../../src/engine/native.js';

const UNUSED = [
  'tar',
  '@mapbox/node-pre-gyp',
  'adm-zip',
  'rimraf',
  'glob',
  'inflight',
  'https-proxy-agent',
  'core-js',
];

it.skipIf(installedEngine() === undefined)('starting the native engine loads none of them', () => {
  const program = `
    import { createRequire } from 'node:module';
    const { startEngine } = await import(${JSON.stringify(resolve('dist/engine/index.js'))});
    await startEngine('tensorflow');
    const names = Object.keys(createRequire(import.meta.url).cache)
      .map((path) => /.*node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(path)?.[1]);
    console.log(JSON.stringify([...new Set(names)]));
  `;
  const said = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
  });
  const loaded = JSON.parse(said) as (string | null)[];
  expect(loaded).toContain('@tensorflow/tfjs-node-gpu');
  expect(loaded.filter((name) => name !== null && UNUSED.includes(name))).toEqual([]);
});
