/** Stored tensors on the device, float32, one piece at a time: the host never holds more than a piece. */
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../base/errors.js';
import type { TensorSource } from './safetensors.js';

/** Elements read at once, 4 MB of float32: some four times that is needed beside what is being made. */
const PIECE = 2 ** 20;

export class WeightReader {
  private readonly read = new Set<string>();
  /** Lent to one piece after another. */
  private scratch = new Float32Array(0);

  /**
   * @param folder for messages
   * @param piece most elements of a matrix read at once, where a row is not longer
   */
  constructor(
    private readonly source: TensorSource,
    private readonly folder: string,
    private readonly piece = PIECE,
  ) {}

  private refuse(problem: string): UserError {
    const hint = 'The weights and config.json do not belong together.';
    return new UserError('wrong-shape', problem, { where: this.folder, hint });
  }

  private check(name: string, wanted: readonly number[]): void {
    const { shape } = this.source.info(name);
    if (shape.join() !== wanted.join()) {
      throw this.refuse(`tensor ${name} is [${shape}], config.json wants [${wanted}]`);
    }
    this.read.add(name);
  }

  /** `offset` is added to each value. */
  vector(name: string, size: number, offset: number): tf.Tensor1D {
    this.check(name, [size]);
    const { data } = this.source.readFloat(name);
    return tf.tensor1d(offset === 0 ? data : data.map((value) => value + offset));
  }

  /** Vectors one behind the other. */
  vectors(names: readonly string[], sizes: readonly number[]): tf.Tensor1D {
    return tf.tidy(() => tf.concat(names.map((name, i) => this.vector(name, sizes[i]!, 0))));
  }

  /** A stored matrix [rows, columns] as it is. */
  matrix(name: string, rows: number, columns: number): tf.Tensor2D {
    return tf.tidy(() => {
      // A product is a copy: the scratch array can go on to the next piece.
      const pieces = this.pieces(name, rows, columns, (piece) => tf.mul(piece, 1));
      return pieces.length === 1 ? pieces[0]! : tf.concat(pieces, 0);
    });
  }

  /** Matrices stacked by rows ([out, in], as stored), returned as [in, sum of out]. */
  stacked(names: readonly string[], rows: readonly number[], columns: number): tf.Tensor2D {
    return tf.tidy(() => {
      const pieces = names.flatMap((name, i) => this.pieces(name, rows[i]!, columns, transposed));
      return pieces.length === 1 ? pieces[0]! : tf.concat(pieces, 1);
    });
  }

  /** A stored matrix in pieces of whole rows, each through `copy`, which must not hand its input on. */
  private pieces(
    name: string,
    rows: number,
    columns: number,
    copy: (piece: tf.Tensor2D) => tf.Tensor2D,
  ): tf.Tensor2D[] {
    this.check(name, [rows, columns]);
    const height = Math.min(rows, Math.max(1, Math.floor(this.piece / columns)));
    if (this.scratch.length < height * columns) this.scratch = new Float32Array(height * columns);
    return Array.from({ length: Math.ceil(rows / height) }, (_, i) => {
      const count = Math.min(height, rows - i * height);
      const values = this.scratch.subarray(0, count * columns);
      this.source.readFloats(name, i * height * columns, values);
      return tf.tidy(() => copy(tf.tensor2d(values, [count, columns])));
    });
  }

  /** Refuses a tensor that was not read though its name matches `ours`, unless it matches `harmless`. */
  refuseUnread(ours: RegExp, harmless: RegExp): void {
    const unread = this.source
      .names()
      .find((name) => !this.read.has(name) && ours.test(name) && !harmless.test(name));
    if (unread !== undefined) throw this.refuse(`has a tensor ${unread}, which config.json has no place for`);
  }
}

/** TensorFlow hands on the array of a matrix of one row or column instead of copying it. */
function transposed(x: tf.Tensor2D): tf.Tensor2D {
  return tf.transpose(x.shape.includes(1) ? tf.mul<tf.Tensor2D>(x, 1) : x);
}
