/**
 * What answering from a compressed context costs by the rows N that it keeps: the same 65,536 tokens, of which N rows are
 * left, loaded and asked, each in a process of its own. Bytes are of the cache's tensors, of its file, and the peak of
 * resident memory; time is processor time, which others' work does not lengthen as it does the clock's. Cost is a + b·N:
 * a is the program, the model's own work on a token and its tables of positions. `node bench/ask.mjs` writes
 * results/bench/ask.md; needs `npm run build`.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { disposeContext, loadCache, loadModel, saveCache } from '../dist/index.js';
import { greedySteps } from '../dist/models/generate.js';
import { machine } from '../dist/workflows/run-record.js';

const TOKENS = 65_536;
const ROWS = [512, 2048, 8192, 16_384, 32_768];
const STEPS = 64;
const here = fileURLToPath(import.meta.url);
const output = fileURLToPath(new URL('../results/bench/ask.md', import.meta.url));

/** A context of TOKENS tokens of which N evenly spaced rows of noise are left. */
function contextOf(model, n) {
  const { numLayers, numKvHeads, headDim } = model.model.config;
  const noise = () => tf.randomNormal([1, numKvHeads, n, headDim], 0, 1, 'float32', 1);
  const positions = tf.tensor3d(
    Float32Array.from({ length: n }, (_, i) => Math.floor((i * TOKENS) / n)),
    [1, 1, n],
  );
  const layers = Array.from({ length: numLayers });
  return {
    cache: {
      keys: layers.map(noise),
      values: layers.map(noise),
      positions: layers.map(() => positions),
      nextPositions: [TOKENS],
    },
    info: {
      kvd: 'bench',
      model: {
        name: model.name,
        hash: model.hash,
        layers: numLayers,
        kv_heads: numKvHeads,
        head_dim: headDim,
      },
      tokenizer: model.tokenizer.hash,
      tokens: TOKENS,
      next_position: TOKENS,
      segments: [
        {
          from: 0,
          to: TOKENS,
          position: 0,
          tokens_hash: '0'.repeat(64),
          kept: n,
          retention: n / TOKENS,
          source: null,
          compression: null,
        },
      ],
    },
  };
}

function processorSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Loads the context at `path` and answers from it. */
async function measure(path) {
  const model = await loadModel('llama-long');
  const before = tf.memory().numBytes;
  const idle = process.memoryUsage().rss;
  let began = processorSeconds();
  const context = loadCache(path, model);
  const loading = processorSeconds() - began;
  const bytes = tf.memory().numBytes - before;
  const options = { maxNewTokens: STEPS + 1, eosIds: [] };
  const steps = greedySteps(model.model, context.cache, [[5, 6, 7]], options);
  // The first reads the question, and makes room.
  steps.next();
  began = processorSeconds();
  let count = 0;
  for (const _ of steps) count += 1;
  const perToken = (processorSeconds() - began) / count;
  const peak = process.resourceUsage().maxRSS * 1024 - idle;
  return { bytes, fileBytes: statSync(path).size, peak, loading, perToken };
}

/** Least squares of a cost over rows: what it is at no row, what each row adds, and how much of it that explains. */
function fit(points, cost) {
  const mean = (of) => points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x, y] = [mean(({ rows }) => rows), mean(cost)];
  const covariance = mean((p) => (p.rows - x) * (cost(p) - y));
  const spread = mean((p) => (p.rows - x) ** 2);
  return {
    atNoRow: y - (covariance / spread) * x,
    perRow: covariance / spread,
    r2: covariance ** 2 / (spread * mean((p) => (cost(p) - y) ** 2)),
  };
}

function render(results) {
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
  const rows = results.map(
    ({ rows, bytes, fileBytes, peak, loading, perToken }) =>
      `| ${rows} | ${megabytes(bytes)} | ${megabytes(fileBytes)} | ${megabytes(peak)} | ${loading.toFixed(3)} | ${(1000 * perToken).toFixed(2)} |`,
  );
  const line = (name, cost, unit, scale) => {
    const { atNoRow, perRow, r2 } = fit(results, cost);
    return `- ${name}: ${(scale * atNoRow).toFixed(2)} + ${(1000 * scale * perRow).toFixed(3)} ${unit} a thousand rows (R² ${r2.toFixed(3)})`;
  };
  const { cpu, cores } = machine();
  return `${[
    '# Answering from N kept rows of 65,536 tokens',
    `llama-long on ${cpu}, ${cores} cores; made by \`node bench/ask.mjs\`. Each context in a process of its own; MB are millions of bytes, peak is resident memory above that of the loaded model, seconds are processor time.`,
    [
      '| rows | cache MB | file MB | peak MB | load s | ms a token |',
      '| ---: | ---: | ---: | ---: | ---: | ---: |',
      ...rows,
    ].join('\n'),
    [
      line('cache', ({ bytes }) => bytes, 'MB', 1e-6),
      line('peak', ({ peak }) => peak, 'MB', 1e-6),
      line('loading', ({ loading }) => loading, 's', 1),
      line('a token', ({ perToken }) => perToken, 'ms', 1000),
    ].join('\n'),
    "What does not depend on N: the program, and cosines and sines of the positions up to the context's end (65,536 × head width × 8 bytes, made once a model).",
  ].join('\n\n')}\n`;
}

const [given] = process.argv.slice(2);
if (given !== undefined) console.log(JSON.stringify(await measure(given)));
else {
  const folder = mkdtempSync(join(tmpdir(), 'kvd-bench-'));
  const model = await loadModel('llama-long');
  const results = ROWS.map((rows) => {
    const path = join(folder, `${rows}.safetensors`);
    const made = contextOf(model, rows);
    saveCache(path, made);
    disposeContext(made);
    const text = execFileSync(process.execPath, [here, path], { encoding: 'utf8' });
    return { rows, ...JSON.parse(text.trim().split('\n').at(-1)) };
  });
  rmSync(folder, { recursive: true });
  model.dispose();
  const text = render(results);
  writeFileSync(output, text);
  process.stdout.write(text);
}
