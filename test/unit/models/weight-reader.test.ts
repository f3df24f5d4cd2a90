import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { startEngine } from '../../../src/engine/index.js';
import { openSafetensors, writeSafetensors, type TensorToWrite } from '../../../src/models/safetensors.js';
import { WeightReader } from '../../../src/models/weight-reader.js';
import { sparseCheckpoint } from '../../helpers/sparse.js';

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

it.runIf(process.platform === 'linux')(
  'loading takes three times the largest tensor beside the weights at most',
  async () => {
    const { folder, parameters, largest } = await sparseCheckpoint(
      {
        model_type: 'llama',
        hidden_size: 512,
        intermediate_size: 2048,
        num_hidden_layers: 12,
        num_attention_heads: 8,
        vocab_size: 8192,
        tie_word_embeddings: true,
      },
      3,
    );
    const child = fork(new URL('loading.mjs', import.meta.url), [folder]);
    const [{ taken }] = (await once(child, 'message')) as [{ taken: number }];
    child.disconnect();
    // The weights are float32 on a CPU.
    expect(taken).toBeGreaterThan(4 * parameters);
    expect(taken).toBeLessThan(4 * (parameters + 3 * largest));
  },
);
