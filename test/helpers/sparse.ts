/** Checkpoints of any size: bfloat16 zeros in shards, which take no room on the disk, but for the rows that are given. */
import { closeSync, ftruncateSync, mkdtempSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { withShapes } from '../../src/engine/shapes.js';
import { architectures } from '../../src/models/architectures/index.js';
import { decoderFrom } from '../../src/models/checkpoint.js';
import { parseModelConfig } from '../../src/models/config.js';

export interface SparseCheckpoint {
  folder: string;
  /** Elements of all tensors, and of the largest. */
  parameters: number;
  largest: number;
}

const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Names and shapes of what a model of this config.json stores, in the order in which it is read. */
function storedTensors(raw: object): Promise<[name: string, shape: number[]][]> {
  const config = parseModelConfig(raw, 'sparse');
  const plan = architectures.get(config.architecture).plan(config);
  const stored: [string, number[]][] = [];
  const put = (name: string, ...shape: number[]): number => stored.push([name, shape]);
  return withShapes(false, () => {
    const decoder = decoderFrom(config, plan, {
      vector: (name, size) => (put(name, size), tf.zeros([size])),
      vectors: (names, sizes) => (names.forEach((name, i) => put(name, sizes[i]!)), tf.zeros([1])),
      matrix: (name, rows, columns) => (put(name, rows, columns), tf.zeros([rows, columns])),
      stacked: (names, rows, columns) => (
        names.forEach((name, i) => put(name, rows[i]!, columns)),
        tf.zeros([1, 1])
      ),
    });
    decoder.dispose();
    return stored;
  });
}

/** Upper halves of float32 patterns. */
function bfloat16(values: Float32Array): Buffer {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Buffer.from(Uint16Array.from(bits, (pattern) => pattern >>> 16).buffer);
}

/**
 * @param rowsOf rows of a tensor that are not zero, by number; values that bfloat16 holds exactly
 */
export async function sparseCheckpoint(
  raw: object,
  shards: number,
  rowsOf: (name: string, shape: readonly number[]) => ReadonlyMap<number, Float32Array> = () => new Map(),
): Promise<SparseCheckpoint> {
  const folder = mkdtempSync(join(tmpdir(), 'kvd-sparse-'));
  const tensors = await storedTensors(raw);
  const weightMap: Record<string, string> = {};
  for (let shard = 0; shard < shards; shard++) {
    const file = `model-0000${shard + 1}-of-0000${shards}.safetensors`;
    const here = tensors.filter((_, i) => i % shards === shard);
    const header: Record<string, unknown> = {};
    let at = 0;
    for (const [name, shape] of here) {
      weightMap[name] = file;
      header[name] = { dtype: 'BF16', shape, data_offsets: [at, (at += 2 * elements(shape))] };
    }
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    const handle = openSync(join(folder, file), 'w');
    writeSync(handle, Buffer.concat([length, text]));
    ftruncateSync(handle, 8 + text.length + at);
    let start = 8 + text.length;
    for (const [name, shape] of here) {
      const wide = 2 * elements(shape.slice(1));
      for (const [row, values] of rowsOf(name, shape))
        writeSync(handle, bfloat16(values), 0, wide, start + row * wide);
      start += 2 * elements(shape);
    }
    closeSync(handle);
  }
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: weightMap }));
  writeFileSync(join(folder, 'config.json'), JSON.stringify(raw));
  const sizes = tensors.map(([, shape]) => elements(shape));
  return { folder, parameters: sizes.reduce((a, b) => a + b, 0), largest: Math.max(...sizes) };
}
