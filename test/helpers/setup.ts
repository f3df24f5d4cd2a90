/** Stand-ins for pip and node-gyp, with which `kvd setup` takes a moment and no network. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';

const addon = resolve('node_modules/better-sqlite3/build/Release/better_sqlite3.node');

/** Notes each call; `download` takes a moment and leaves a wheel, unpacking leaves the libraries' names. */
const PYTHON = `#!${process.execPath}
const fs = require('node:fs');
const { join } = require('node:path');
const args = process.argv.slice(2);
const { FAKE_FAIL, FAKE_LOG, FAKE_SECONDS } = process.env;
if (args.includes('--version')) process.exit(0);
if (args.includes('download')) {
  fs.appendFileSync(FAKE_LOG, 'download\\n');
  if (FAKE_FAIL === 'download') {
    console.error('ERROR: no space left');
    process.exit(1);
  }
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000 * Number(FAKE_SECONDS ?? 0));
  fs.writeFileSync(join(args[args.indexOf('-d') + 1], 'x.whl'), '');
} else {
  const folder = join(args.at(-1), 'tensorflow');
  fs.mkdirSync(join(folder, 'include'), { recursive: true });
  for (const name of ['cc', 'framework']) fs.writeFileSync(join(folder, 'libtensorflow_' + name + '.so.2'), '');
}
`;

const NODE_GYP = `
const fs = require('node:fs');
const { join } = require('node:path');
if (process.env.FAKE_FAIL === 'compile') {
  console.error('make: g++: No such file or directory');
  process.exit(1);
}
const folder = process.argv.find((x) => x.startsWith('--module_path=')).slice(14);
fs.mkdirSync(folder, { recursive: true });
fs.copyFileSync(${JSON.stringify(addon)}, join(folder, 'tfjs_binding.node'));
fs.mkdirSync(join('build', 'Release'), { recursive: true });
fs.copyFileSync(${JSON.stringify(addon)}, join('build', 'Release', 'kvd_signals.node'));
`;

/** Puts the stand-ins into `folder`. @returns the environment that makes kvd use them, and install under `folder` */
export function setupStandIns(folder: string): NodeJS.ProcessEnv {
  const log = join(folder, 'log');
  writeFileSync(log, '');
  writeFileSync(join(folder, 'package.json'), '{"type": "commonjs"}');
  mkdirSync(join(folder, 'bin'));
  for (const name of ['python3', 'python']) {
    writeFileSync(join(folder, 'bin', name), PYTHON);
    chmodSync(join(folder, 'bin', name), 0o755);
  }
  const gyp = join(folder, 'npm', 'node_modules', 'node-gyp', 'bin');
  mkdirSync(gyp, { recursive: true });
  writeFileSync(join(gyp, 'node-gyp.js'), NODE_GYP);
  return {
    ...process.env,
    PATH: [join(folder, 'bin'), process.env.PATH].join(delimiter),
    XDG_CACHE_HOME: join(folder, 'cache'),
    npm_execpath: join(folder, 'npm', 'bin', 'npm-cli.js'),
    FAKE_LOG: log,
  };
}
