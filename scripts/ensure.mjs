#!/usr/bin/env node
/** Does all set-up found missing: dependencies, build, native engine. Plain Node: nothing is installed yet. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const at = (...parts) => join(root, ...parts);

function run(command, ...args) {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status === 0;
}

function say(text) {
  process.stderr.write(`ensure: ${text}\n`);
}

/** Time of the last change to a file, or to any file below a folder; 0 where there is none. */
function changed(path) {
  if (!existsSync(path)) return 0;
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => changed(join(path, name))));
}

function ensureDependencies() {
  if (changed(at('node_modules', '.package-lock.json')) >= changed(at('package-lock.json'))) return;
  say('installing dependencies (better-sqlite3 compiles for about a minute)');
  if (!run('npm', 'ci', '--no-audit', '--no-fund')) process.exit(1);
}

function ensureBuild() {
  const sources = Math.max(changed(at('src')), changed(at('tsconfig.json')));
  if (changed(at('dist')) > sources) return;
  say('building');
  if (run('npm', 'run', '--silent', 'build')) return;
  // A half-built dist would pass for a fresh one next time.
  rmSync(at('dist'), { recursive: true, force: true });
  process.exit(1);
}

async function ensureEngine() {
  if (process.env.KVD_ENGINE === 'wasm') return;
  const native = await import(pathToFileURL(at('dist', 'engine', 'native.js')).href);
  if (native.installedEngine() !== undefined) return;
  say('setting up the native engine');
  if (run(process.execPath, at('bin', 'run.js'), 'setup')) return;
  say('the native engine could not be set up (see above); going on with wasm, which is slower');
}

ensureDependencies();
ensureBuild();
await ensureEngine();
