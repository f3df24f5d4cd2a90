/** A decoder layer's gated MLP in one op. */
import * as tf from '@tensorflow/tfjs-core';
import { recording, runOp } from './fused.js';

const op = { op: 'KvdMlp', floats: ['epsilon'], integers: ['gelu', 'keep'] };
const gradientOp = { op: 'KvdMlpGrad', integers: ['gelu'] };

/**
 * `x + (activation(h·G) · (h·U))·D`, h = RMSNorm(x) and G, U the halves of `gateUp`. Gradients flow to x alone.
 *
 * Its op is run behind tfjs-core's back: a registered kernel's outputs that nobody uses get slopes of zeros, and one
 * that is kept for the gradient is as large as all others together.
 * @param x [rows, hidden]
 * @param gain [hidden]
 * @param gateUp [hidden, 2·width]
 * @param down [width, hidden]
 * @param options gelu: 1 for tanh's approximation of GELU, 0 for SiLU
 */
export function fusedMlp(
  x: tf.Tensor2D,
  gain: tf.Tensor1D,
  gateUp: tf.Tensor2D,
  down: tf.Tensor2D,
  options: { epsilon: number; gelu: number },
): tf.Tensor2D {
  const weights = [gain, gateUp, down];
  if (!recording()) {
    const [y, ...rest] = runOp(op, [x, ...weights], 3, { ...options, keep: 0 });
    tf.dispose(rest);
    return y as tf.Tensor2D;
  }
  const mlp = tf.customGrad((given, save) => {
    const [y, inverse, both] = runOp(op, [given as tf.Tensor, ...weights], 3, { ...options, keep: 1 });
    (save as tf.GradSaveFunc)([given as tf.Tensor, inverse!, both!]);
    return {
      value: y!,
      gradFunc: (dy: tf.Tensor, [input, ...saved]: tf.Tensor[]) =>
        runOp(gradientOp, [input!, ...weights, ...saved, dy], 1, options)[0]!,
    };
  });
  return mlp(x) as tf.Tensor2D;
}
