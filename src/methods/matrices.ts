/** Matrices of adapters: drawn, stored as PyTorch stores them ([out, in]), read back. */
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../base/errors.js';
import type { Random } from '../engine/random.js';
import { withoutNumbers } from '../engine/shapes.js';
import {
  openSafetensors,
  writeSafetensors,
  type TensorSource,
  type TensorToWrite,
} from '../models/safetensors.js';

/** A variable of normal noise, [rows, columns]. */
export function normalMatrix(random: Random, rows: number, columns: number, deviation: number): tf.Tensor2D {
  if (withoutNumbers())
    return tf.tidy(() => tf.variable(tf.fill([rows, columns], 0))) as unknown as tf.Tensor2D;
  const data = Float32Array.from({ length: rows * columns }, () => random.normal() * deviation);
  return tf.tidy(() => tf.variable(tf.tensor2d(data, [rows, columns]))) as unknown as tf.Tensor2D;
}

/** Writes matrices [in, out] by name, each stored [out, in]. */
export function writeMatrices(path: string, matrices: Record<string, tf.Tensor2D>): void {
  const tensors = new Map<string, TensorToWrite>();
  tf.tidy(() => {
    for (const [name, matrix] of Object.entries(matrices)) {
      const turned = tf.transpose(matrix);
      tensors.set(name, { dtype: 'F32', shape: turned.shape, data: turned.dataSync() as Float32Array });
    }
  });
  writeSafetensors(path, tensors, {});
}

/** A matrix stored [out, in], checked and turned to [in, out]. */
export function readMatrix(
  source: TensorSource,
  name: string,
  shape: [number, number],
  where: string,
): tf.Tensor2D {
  const stored = source.readFloat(name);
  if (stored.shape[0] !== shape[1] || stored.shape[1] !== shape[0]) {
    throw new UserError(
      'wrong-shape',
      `tensor ${name} is [${stored.shape}], the model wants [${shape[1]}, ${shape[0]}]`,
      { where, hint: 'The adapter was made for another model.' },
    );
  }
  return tf.tidy(() => tf.transpose(tf.tensor2d(stored.data, [shape[1], shape[0]])));
}

/** What `read` makes of the file at `path`, which is closed again. */
export function withSafetensors<T>(path: string, read: (source: TensorSource) => T): T {
  const source = openSafetensors(path);
  try {
    return read(source);
  } finally {
    source.close();
  }
}
