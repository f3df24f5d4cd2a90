import {
  ftruncateSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { startEngine } from '../../../src/engine/index.js';
import { loadDecoder } from '../../../src/models/checkpoint.js';
import { openSafetensors, writeSafetensors, type TensorToWrite } from '../../../src/models/safetensors.js';
import { WeightReader } from '../../../src/models/weight-reader.js';

beforeAll(() => startEngine());

function folderOf(name: string, data: Float32Array, shape: number[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
  const tensor: TensorToWrite = { dtype: 'F32', shape, data };
  writeSafetensors(join(folder, 'model.safetensors'), new Map([[name, tensor]]), {});
  return folder;
}

describe('weights in pieces', () => {
  // 3 divides neither the rows nor a multiple of the columns; 1 column and 1 row are what TensorFlow does not copy.
  it.each([
    [7, 5],
    [7, 1],
    [1, 7],
    [12, 2],
  ])('are those of the whole [%i, %i]', (rows, columns) => {
    const data = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i));
    const folder = folderOf('w', data, [rows, columns]);
    const source = openSafetensors(join(folder, 'model.safetensors'));
    for (const piece of [3, 10, 1000]) {
      const reader = new WeightReader(source, folder, piece);
      const [plain, turned] = [
        reader.matrix('w', rows, columns),
        reader.stacked(['w', 'w'], [rows, rows], columns),
      ];
      expect(plain.dataSync()).toEqual(data);
      const expected = tf.tidy(() =>
        tf.transpose(tf.tile(tf.tensor2d(data, [rows, columns]), [2, 1])).dataSync(),
      );
      expect(turned.dataSync()).toEqual(expected);
      tf.dispose([plain, turned]);
    }
    source.close();
  });

  it('refuse a tensor that no part of the model reads', () => {
    const folder = folderOf('model.layers.7.norm', new Float32Array(2), [2]);
    const source = openSafetensors(join(folder, 'model.safetensors'));
    const reader = new WeightReader(source, folder);
    expect(() => reader.refuseUnread(/^model\.layers\./, /inv_freq$/)).toThrow(/model\.layers\.7\.norm/);
    reader.refuseUnread(/^model\.layers\./, /norm$/);
    source.close();
  });
});

const shape = {
  hidden_size: 512,
  intermediate_size: 2048,
  num_hidden_layers: 12,
  num_attention_heads: 8,
  vocab_size: 8192,
};

/** A bf16 checkpoint of zeros in three shards, which take no room on the disk. */
function sparseCheckpoint(): { folder: string; parameters: number; largest: number } {
  const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
  const { hidden_size: width, intermediate_size: inner, vocab_size: vocabulary } = shape;
  const tensors: [string, number[]][] = [
    ['model.embed_tokens.weight', [vocabulary, width]],
    ['model.norm.weight', [width]],
  ];
  for (let layer = 0; layer < shape.num_hidden_layers; layer++) {
    const put = (name: string, ...size: number[]): unknown =>
      tensors.push([`model.layers.${layer}.${name}.weight`, size]);
    for (const name of ['q', 'k', 'v', 'o']) put(`self_attn.${name}_proj`, width, width);
    put('mlp.gate_proj', inner, width);
    put('mlp.up_proj', inner, width);
    put('mlp.down_proj', width, inner);
    put('input_layernorm', width);
    put('post_attention_layernorm', width);
  }
  const sizeOf = (size: number[]): number => size.reduce((a, b) => a * b, 1);
  const weightMap: Record<string, string> = {};
  for (let shard = 0; shard < 3; shard++) {
    const name = `model-0000${shard + 1}-of-00003.safetensors`;
    const header: Record<string, unknown> = {};
    let at = 0;
    for (const [tensor, size] of tensors.filter((_, i) => i % 3 === shard)) {
      weightMap[tensor] = name;
      header[tensor] = { dtype: 'BF16', shape: size, data_offsets: [at, (at += 2 * sizeOf(size))] };
    }
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    const file = openSync(join(folder, name), 'w');
    writeSync(file, Buffer.concat([length, text]));
    ftruncateSync(file, 8 + text.length + at);
    closeSync(file);
  }
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: weightMap }));
  const config = { ...shape, model_type: 'llama', tie_word_embeddings: true };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  const sizes = tensors.map(([, size]) => sizeOf(size));
  return { folder, parameters: sizes.reduce((a, b) => a + b, 0), largest: Math.max(...sizes) };
}

function statusBytes(field: string): number {
  return (
    1024 * Number(new RegExp(`${field}:\\s*(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'))![1])
  );
}

it.runIf(process.platform === 'linux')('loading holds no second copy of the weights', () => {
  const { folder, parameters, largest } = sparseCheckpoint();
  tf.tidy(() => tf.matMul(tf.ones([64, 64]), tf.ones([64, 64])).dataSync());
  const before = statusBytes('VmRSS');
  writeFileSync('/proc/self/clear_refs', '5');
  const model = loadDecoder(folder);
  const taken = statusBytes('VmHWM') - before;
  model.dispose();
  expect(taken).toBeGreaterThan(3.5 * parameters);
  // Behind aligned arrays of one size glibc leaves as much again unused; anything held on the host as well is more.
  expect(taken).toBeLessThan(4 * (2.25 * parameters + 3 * largest));
});
