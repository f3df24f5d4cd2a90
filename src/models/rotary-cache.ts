/** Cosines and sines of all positions met so far, on the device; a pass gathers its own rows. */
import * as tf from '@tensorflow/tfjs-core';
import type { RopeConfig } from './config.js';
import type { RotaryTable } from './ops.js';
import { cosSin, inverseFrequencies } from './rope.js';

export class RotaryCache {
  private readonly inverse: Float32Array;
  private readonly half: number;
  private size = 0;
  private cos: tf.Tensor2D | undefined;
  private signedSin: tf.Tensor2D | undefined;

  constructor(rope: RopeConfig, headDim: number) {
    this.inverse = inverseFrequencies(rope, headDim);
    this.half = headDim / 2;
  }

  /** Table for `ids` [rows, tokens], shaped [rows, tokens, 1, headDim]. */
  table(ids: Int32Array, rows: number): RotaryTable {
    this.grow(ids.reduce((a, b) => Math.max(a, b), 0) + 1);
    return tf.tidy(() => {
      const index = tf.tensor1d(ids, 'int32');
      const shape = [rows, ids.length / rows, 1, 2 * this.half];
      const pick = (table: tf.Tensor2D): tf.Tensor => tf.reshape(tf.gather(table, index), shape);
      return { cos: pick(this.cos!), signedSin: pick(this.signedSin!) };
    });
  }

  /** Tables [positions, headDim] of at least the first `size` positions; they stay the cache's own. */
  tables(size: number): { cos: tf.Tensor2D; signedSin: tf.Tensor2D } {
    this.grow(size);
    return { cos: this.cos!, signedSin: this.signedSin! };
  }

  private grow(size: number): void {
    if (size <= this.size) return;
    this.dispose();
    this.size = Math.max(256, 2 ** Math.ceil(Math.log2(size)));
    const { cos, sin } = cosSin(
      this.inverse,
      Array.from({ length: this.size }, (_, i) => i),
    );
    const width = 2 * this.half;
    for (let i = 0; i < sin.length; i++) if (i % width < this.half) sin[i] = -sin[i]!;
    this.cos = tf.keep(tf.tensor2d(cos, [this.size, width]));
    this.signedSin = tf.keep(tf.tensor2d(sin, [this.size, width]));
  }

  dispose(): void {
    tf.dispose([this.cos, this.signedSin].filter((x) => x !== undefined));
    this.size = 0;
  }
}
