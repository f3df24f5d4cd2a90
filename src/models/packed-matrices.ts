/** Frozen matrices as the engine's products read them, packed once and not anew in every op. */
import * as tf from '@tensorflow/tfjs-core';
import { fusedPack, type Packed } from '../engine/fused.js';
import { recording } from '../engine/tape.js';

export class PackedMatrices {
  /** Most bytes of packed matrices: those of larger models, which would need as much again, are packed anew. */
  limit = 2 ** 29;
  private bytes = 0;
  private readonly known = new Map<tf.Tensor2D, Partial<Packed>>();
  private nothing: tf.Tensor1D | undefined;

  /** What ops are given for something that is not there: one number. */
  none(): tf.Tensor1D {
    return (this.nothing ??= tf.keep(tf.zeros<tf.Rank.R1>([1])));
  }

  /**
   * A matrix packed, or nothing where it is learned or there is no room. What the gradient needs is packed once somebody
   * records for one.
   * @param matrix [rows, columns]
   * @param parts into how many matrices of equal width its columns are split
   */
  of(matrix: tf.Tensor2D, parts = 1): Packed {
    const none = this.none();
    if (matrix instanceof tf.Variable) return { panels: none, backPanels: none };
    const known = this.known.get(matrix) ?? {};
    this.known.set(matrix, known);
    known.panels ??= this.pack(matrix, { transposed: 0, parts });
    if (recording()) known.backPanels ??= this.pack(matrix, { transposed: 1, parts: 1 });
    return { panels: known.panels, backPanels: known.backPanels ?? none };
  }

  private pack(matrix: tf.Tensor2D, form: { transposed: 0 | 1; parts: number }): tf.Tensor {
    const bytes = 4 * matrix.size;
    if (this.bytes + bytes > this.limit) return this.none();
    this.bytes += bytes;
    return tf.keep(fusedPack(matrix, form));
  }

  dispose(): void {
    tf.dispose([...this.known.values()]);
    tf.dispose(this.nothing);
    this.known.clear();
    this.nothing = undefined;
    this.bytes = 0;
  }
}
