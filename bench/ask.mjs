/**
 * What answering from a compressed context costs by the rows N that it keeps: the same 65,536 tokens, of which N rows are
 * left, saved, loaded and asked. Bytes are of the cache's tensors and of its file; seconds a token are the median of 24
 * steps. Time is a + b·N: a is the model's own work on a token. `node bench/ask.mjs [--json]`; needs `npm run build`.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { loadCache, loadModel, saveCache, disposeContext } from '../dist/index.js';
import { greedySteps } from '../dist/models/generate.js';

const TOKENS = 65_536;
const ROWS = [512, 2048, 8192, 16_384, 32_768];
const STEPS = 24;

const model = await loadModel('llama-long');
const { numLayers, numKvHeads, headDim } = model.model.config;
const folder = mkdtempSync(join(tmpdir(), 'kvd-bench-'));

/** A context of TOKENS tokens of which N evenly spaced rows of noise are left. */
function contextOf(n) {
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

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

const results = ROWS.map((rows) => {
  const path = join(folder, `${rows}.safetensors`);
  const made = contextOf(rows);
  saveCache(path, made);
  disposeContext(made);
  const before = tf.memory().numBytes;
  let started = performance.now();
  const context = loadCache(path, model);
  const loading = (performance.now() - started) / 1000;
  const bytes = tf.memory().numBytes - before;
  const seconds = [];
  started = performance.now();
  for (const _ of greedySteps(model.model, context.cache, [[5, 6, 7]], {
    maxNewTokens: STEPS + 1,
    eosIds: [],
  })) {
    seconds.push((performance.now() - started) / 1000);
    started = performance.now();
  }
  disposeContext(context);
  return { rows, bytes, fileBytes: statSync(path).size, loading, secondsPerToken: median(seconds.slice(1)) };
});
rmSync(folder, { recursive: true });

/** Least squares of time over rows: what a token costs at no row, what each row adds, and how much of it that explains. */
function fit(points) {
  const mean = (of) => points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x, y] = [mean(({ rows }) => rows), mean(({ secondsPerToken }) => secondsPerToken)];
  const covariance = mean((p) => (p.rows - x) * (p.secondsPerToken - y));
  const slope = covariance / mean((p) => (p.rows - x) ** 2);
  const explained =
    covariance ** 2 / (mean((p) => (p.rows - x) ** 2) * mean((p) => (p.secondsPerToken - y) ** 2));
  return { atNoRow: y - slope * x, perRow: slope, r2: explained };
}

const line = fit(results);
if (process.argv.includes('--json'))
  console.log(JSON.stringify({ engine: model.engine, tokens: TOKENS, results, line }, null, 2));
else {
  console.log('rows     bytes        bytes/row  file         load s   ms/token');
  for (const { rows, bytes, fileBytes, loading, secondsPerToken } of results) {
    console.log(
      `${String(rows).padEnd(8)} ${String(bytes).padEnd(12)} ${(bytes / rows).toFixed(1).padEnd(10)} ${String(fileBytes).padEnd(12)} ${loading.toFixed(3).padEnd(8)} ${(1000 * secondsPerToken).toFixed(2)}`,
    );
  }
  console.log(
    `ms/token = ${(1000 * line.atNoRow).toFixed(2)} + ${(1e6 * line.perRow).toFixed(2)} a thousand rows (R² ${line.r2.toFixed(3)})`,
  );
}
model.dispose();
