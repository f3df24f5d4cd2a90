/** Runs one piece of work in a process of its own, on kvd's side or a peer's. */
import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Seconds that a side may take, and that torch.compile may, which compiles C++ in them. */
const LIMIT = 1200;
const COMPILE_LIMIT = 180;

/** What the last line of its output says, or why there is none. */
async function measured(command, args, limit = LIMIT) {
  try {
    const { stdout } = await run(command, args, { timeout: 1000 * limit, maxBuffer: 2 ** 26 });
    return JSON.parse(stdout.trim().split('\n').at(-1));
  } catch (error) {
    if (error.killed) return { failed: `not done within ${limit} s` };
    const lines = String(error.stderr || error.message)
      .trim()
      .split('\n');
    return { failed: lines.findLast((line) => line.includes('Error')) ?? lines.at(-1) };
  }
}

/** @param changes to the work as shapes.json has it */
export function ours(name, { repetitions, least, patience }, changes = {}) {
  const args = [here('ours.mjs'), name, `${repetitions}`, `${least}`, `${patience}`, JSON.stringify(changes)];
  return measured(process.execPath, args);
}

let folder;

/** @param variant eager, compile or transformers */
export async function peer(python, name, work, variant, { repetitions, least, patience }) {
  const args = [here('peers/peer.py'), name, variant, `${repetitions}`, `${least}`, `${patience}`];
  if (work.kind === 'evaluate') {
    folder ??= mkdtempSync(join(tmpdir(), 'kvd-bench-'));
    const { samplesOf } = await import('./ours/samples.mjs');
    const file = join(folder, `${name}.json`);
    writeFileSync(file, JSON.stringify(samplesOf(work).peer));
    args.push(file);
  }
  return measured(python, args, variant === 'compile' ? COMPILE_LIMIT : LIMIT);
}
