/** What kvd is held to without a peer: the cost of a compressed cache, memory, and how fast commands answer. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { largeStore } from './large-store.mjs';
import { ours } from './sides.mjs';
import { median } from './table.mjs';

const kvd = fileURLToPath(new URL('../bin/run.js', import.meta.url));

/** Seconds that a command takes, in each of five runs. */
function answering(...args) {
  return Array.from({ length: 5 }, () => {
    const began = performance.now();
    execFileSync(process.execPath, [kvd, ...args], { stdio: 'ignore' });
    return (performance.now() - began) / 1000;
  });
}

function spread(seconds) {
  const text = (value) => `${value.toFixed(2)} s`;
  return `${text(median(seconds))} (${text(Math.min(...seconds))}-${text(Math.max(...seconds))})`;
}

/** Decoding behind a compressed cache against one behind an ordinary cache of as many rows, in turn, in seven processes. */
async function overhead({ patience }) {
  const percents = [];
  for (let round = 0; round < 7; round++) {
    const turns = { repetitions: 30, least: 0, patience };
    const { sideSeconds, failed } = await ours('decode-compressed', turns, { kind: 'overhead' });
    if (failed !== undefined) return `decoding failed: ${failed}`;
    // The first turns warm up.
    const [compressed, ordinary] = ['compressed', 'ordinary'].map((side) =>
      median(sideSeconds[side].slice(2)),
    );
    percents.push(100 * (compressed / ordinary - 1));
  }
  const text = (percent) => percent.toFixed(1);
  return `decoding behind a cache of 205 rows of 1,024 takes ${text(median(percents))} % (${text(Math.min(...percents))} to ${text(Math.max(...percents))}) longer than behind an ordinary one of 205 (wanted: 0 ± 3)`;
}

/** Peak memory of compressing contexts of several lengths, each in a process of its own. */
async function memory() {
  const lengths = [2048, 4096, 8192, 16384];
  const peaks = [];
  for (const tokens of lengths) {
    const { peak } = await ours(
      'compress-streaming',
      { repetitions: 1, least: 0, patience: 0 },
      { tokens, kept: tokens / 4 },
    );
    peaks.push(Math.round(peak / 2 ** 20));
  }
  return `peak memory of compressing ${lengths.join(', ')} tokens: ${peaks.join(', ')} MB`;
}

/** Lines of text. */
export async function againstItself(options) {
  const folder = mkdtempSync(join(tmpdir(), 'kvd-bench-'));
  try {
    const db = join(folder, 'kvd.sqlite');
    largeStore(db);
    return [
      await overhead(options),
      await memory(),
      `\`kvd --help\`: ${spread(answering('--help'))} (wanted: 0.3 s)`,
      `\`kvd report\` of 10,000 runs with 1,000,000 metric rows: ${spread(answering('report', '--db', db))} (wanted: 0.5 s)`,
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
