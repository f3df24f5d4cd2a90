/**
 * An embedding of more than 2^31 bytes: Gemma-2 27B's, 256,000 × 4,608, 2.4 GB of bfloat16 and 4.7 GB of float32, over
 * two small layers. `KVD_LARGE=1 npx vitest run test/unit/models/large-embedding.test.ts` takes 10 GB of memory; else the
 * same is done with a small one.
 */
import { rmSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startEngine } from '../../../src/engine/index.js';
import { Random } from '../../../src/engine/random.js';
import { makeBatch } from '../../../src/models/batch.js';
import { loadDecoder } from '../../../src/models/checkpoint.js';
import type { Decoder } from '../../../src/models/decoder.js';
import { greedy } from '../../../src/models/generate.js';
import { sparseCheckpoint } from '../../helpers/sparse.js';

const large = process.env.KVD_LARGE !== undefined;
const [vocabulary, width] = large ? [256_000, 4608] : [2000, 96];
const NEW_TOKENS = 4;
const config = {
  ...{ model_type: 'gemma2', vocab_size: vocabulary, hidden_size: width, intermediate_size: 64 },
  ...{ num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, head_dim: 16 },
  ...{
    query_pre_attn_scalar: 16,
    sliding_window: 8,
    attn_logit_softcapping: 50,
    final_logit_softcapping: 30,
  },
  ...{ hidden_activation: 'gelu_pytorch_tanh', tie_word_embeddings: true, rms_norm_eps: 1e-6 },
};

/** Both ends, and rows about 2^31 bytes of float32, and 2^32 bytes, which are 2^31 of bfloat16. */
const marked = [
  ...new Set(
    [2 ** 29, 2 ** 30, 0, Infinity]
      .map((element) => Math.min(Math.floor(element / width), vocabulary - 2))
      .flatMap((row) => [row, row + 1]),
  ),
];
const values = new Random('large-embedding');
/** Normal noise that bfloat16 holds exactly. */
const noise = (deviation: number): Float32Array => {
  const row = Float32Array.from({ length: width }, () => values.normal() * deviation);
  new Uint32Array(row.buffer).forEach((bits, i, all) => (all[i] = bits & 0xffff0000));
  return row;
};
/** The first row beyond 2^31 bytes of float32, or behind the first two: from here on rows are long enough to be answers. */
const far = large ? Math.ceil(2 ** 29 / width) : 2;
const rows = new Map(marked.map((row) => [row, noise(row >= far ? 0.05 : 0.005)]));

let model: Decoder;
let folder: string;
beforeAll(async () => {
  await startEngine();
  const everyRow = (shape: readonly number[]): Map<number, Float32Array> =>
    new Map(
      Array.from({ length: shape[0]! }, (_, row) => [row, noise(shape[1]! ** -0.5).subarray(0, shape[1])]),
    );
  const sparse = await sparseCheckpoint(config, 2, (name, shape) => {
    if (name === 'model.embed_tokens.weight') return rows;
    return shape.length === 2 ? everyRow(shape) : new Map<number, Float32Array>();
  });
  folder = sparse.folder;
  model = loadDecoder(folder);
});
afterAll(() => {
  model.dispose();
  rmSync(folder, { recursive: true });
});

/** Hidden states of these tokens behind the final norm, and the logits that the model makes of the last. */
function run(tokens: readonly number[]): {
  embedded: Float32Array;
  last: Float32Array;
  logits: Float32Array;
} {
  return tf.tidy(() => {
    const { hidden, hiddenStates } = model.forward(makeBatch([tokens]), { collectHidden: 0 });
    const last = tf.slice(model.finalHidden(hidden), [tokens.length - 1, 0], [1, width]) as tf.Tensor2D;
    return {
      embedded: hiddenStates[0]!.dataSync<'float32'>(),
      last: last.dataSync<'float32'>(),
      logits: model.project(last).dataSync<'float32'>(),
    };
  });
}

/** The soft-capped product of a hidden state and a row of the file, in float64. */
function logit(hidden: Float32Array, row: Float32Array): number {
  return 30 * Math.tanh(row.reduce((sum, value, i) => sum + value * hidden[i]!, 0) / 30);
}

it('is read, looked up and multiplied at both ends and beyond 2^31 bytes', () => {
  const { embedded, last, logits } = run(marked);
  const scale = Math.fround(Math.sqrt(width));
  marked.forEach((row, i) => {
    const found = embedded.subarray(i * width, (i + 1) * width);
    expect(found).toEqual(rows.get(row)!.map((value) => Math.fround(value * scale)));
  });
  const largest = Math.max(...marked.map((row) => Math.abs(logit(last, rows.get(row)!))));
  expect(largest).toBeGreaterThan(0.1);
  for (const [row, stored] of rows) expect(logits[row]).toBeCloseTo(logit(last, stored), 3);
  expect(logits.filter((value) => value !== 0)).toHaveLength(rows.size);
});

it('answers step by step as in whole passes, with tokens of any row', () => {
  const prompt = [...marked].reverse();
  const expected: number[] = [];
  for (let step = 0; step < NEW_TOKENS; step++) {
    const { last } = run([...prompt, ...expected]);
    const best = [...rows].reduce((a, b) => (logit(last, b[1]) > logit(last, a[1]) ? b : a));
    expect(logit(last, best[1])).toBeGreaterThan(0);
    expected.push(best[0]);
  }
  const cache = undefined;
  expect(greedy(model, cache, [prompt], { maxNewTokens: NEW_TOKENS, eosIds: [] })).toEqual([expected]);
  expect(expected.some((token) => token >= far)).toBe(true);
});
