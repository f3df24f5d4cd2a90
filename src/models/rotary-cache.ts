/** Cosines and sines of all positions met so far; a pass gets its own rows. */
import * as tf from '@tensorflow/tfjs-core';
import type { RopeConfig } from './config.js';
import type { RotaryTable } from './ops.js';
import { cosSin, inverseFrequencies } from './rope.js';

export class RotaryCache {
  private readonly inverse: Float32Array;
  private readonly width: number;
  private size = 0;
  private cos: Float32Array = new Float32Array();
  private signedSin: Float32Array = new Float32Array();
  /** Both on the device, once somebody has asked for them. */
  private onDevice: { cos: tf.Tensor2D; signedSin: tf.Tensor2D } | undefined;

  constructor(rope: RopeConfig, headDim: number) {
    this.inverse = inverseFrequencies(rope, headDim);
    this.width = headDim;
  }

  /** Table for `ids` [rows, tokens], shaped [rows, tokens, 1, headDim]. */
  table(ids: Int32Array, rows: number): RotaryTable {
    this.grow(ids.reduce((a, b) => Math.max(a, b), 0) + 1);
    const { width } = this;
    const pick = (all: Float32Array): tf.Tensor => {
      const picked = new Float32Array(ids.length * width);
      ids.forEach((id, i) => picked.set(all.subarray(id * width, (id + 1) * width), i * width));
      return tf.tensor4d(picked, [rows, ids.length / rows, 1, width]);
    };
    return { cos: pick(this.cos), signedSin: pick(this.signedSin) };
  }

  /** Tables [positions, headDim] of at least the first `size` positions; they stay the cache's own. */
  tables(size: number): { cos: tf.Tensor2D; signedSin: tf.Tensor2D } {
    this.grow(size);
    const whole = (values: Float32Array): tf.Tensor2D =>
      tf.keep(tf.tensor2d(values, [this.size, this.width]));
    this.onDevice ??= { cos: whole(this.cos), signedSin: whole(this.signedSin) };
    return this.onDevice;
  }

  private grow(size: number): void {
    if (size <= this.size) return;
    this.dispose();
    this.size = Math.max(256, 2 ** Math.ceil(Math.log2(size)));
    const { cos, sin } = cosSin(
      this.inverse,
      Array.from({ length: this.size }, (_, i) => i),
    );
    for (let i = 0; i < sin.length; i++) if (i % this.width < this.width / 2) sin[i] = -sin[i]!;
    this.cos = cos;
    this.signedSin = sin;
  }

  dispose(): void {
    if (this.onDevice !== undefined) tf.dispose(this.onDevice);
    this.onDevice = undefined;
    this.size = 0;
  }
}
