/** Losses over logits of which there are never many at once: rows are projected, marked and forgotten in pieces. */
import * as tf from '@tensorflow/tfjs-core';
import type { Decoder } from '../models/decoder.js';
import type { Sloped } from './losses.js';

/**
 * The sum over pieces of what `lossOf` makes of a piece's logits. Its gradient is computed beside it, so that the
 * backward pass projects nothing again: no matrix of logits ever has more than `model.logitBlock` numbers.
 * @param normed rows of the residual stream behind the final norm, [rows, hidden]
 * @param lossOf is given the logits of some rows, and what cuts the same rows out of another tensor
 */
export function projectedLoss(
  model: Decoder,
  normed: tf.Tensor2D,
  lossOf: (logits: tf.Tensor2D, piece: <T extends tf.Tensor>(x: T) => T) => Sloped,
): tf.Scalar {
  const [rows] = normed.shape;
  const size = Math.max(1, Math.floor(model.logitBlock / model.config.vocabSize));
  const loss = tf.customGrad((input, save) => {
    const pieces = Array.from({ length: Math.ceil(rows / size) }, (_, i) =>
      tf.tidy(() => {
        const cut = <T extends tf.Tensor>(x: T): T =>
          rows <= size ? x : (tf.slice(x, i * size, Math.min(size, rows - i * size)) as T);
        const logits = model.project(cut(input as tf.Tensor2D));
        const { value, slope } = lossOf(logits, cut);
        return { value, gradient: model.projectGradient(logits, slope) };
      }),
    );
    const gradients = pieces.map(({ gradient }) => gradient);
    (save as tf.GradSaveFunc)([gradients.length === 1 ? gradients[0]! : tf.concat(gradients)]);
    return {
      value: tf.addN(pieces.map(({ value }) => value)),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.mul(saved[0]!, dy),
    };
  });
  return loss(normed) as tf.Scalar;
}
