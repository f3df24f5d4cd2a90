/** A decoder layer's gated MLP in one op. */
import * as tf from '@tensorflow/tfjs-core';
import { recording, runOp, type Packed } from './fused.js';

const op = { op: 'KvdMlp', floats: ['epsilon'], integers: ['gelu', 'keep'] };
const gradientOp = { op: 'KvdMlpGrad', integers: ['gelu', 'learned'] };

/**
 * `x + (activation(h·G) · (h·U))·D`, h = RMSNorm(x) and G, U the halves of `gateUp`.
 *
 * Its op is run behind tfjs-core's back: a registered kernel's outputs that nobody uses get slopes of zeros, and one
 * that is kept for the gradient is as large as all others together.
 * @param x [rows, hidden]
 * @param gain [hidden]
 * @param gateUp [hidden, 2·width]
 * @param down [width, hidden]
 * @param packed both matrices, gateUp in two parts
 * @param options gelu: 1 for tanh's approximation of GELU, 0 for SiLU; learned: 1 where gradients flow to the weights,
 *   too, 0 where they flow to x alone
 */
export function fusedMlp(
  x: tf.Tensor2D,
  gain: tf.Tensor1D,
  gateUp: tf.Tensor2D,
  down: tf.Tensor2D,
  packed: { gateUp: Packed; down: Packed },
  options: { epsilon: number; gelu: number; learned: number },
): tf.Tensor2D {
  const weights = [gain, gateUp, down];
  const panels = [packed.gateUp.panels, packed.down.panels];
  const backPanels = [packed.gateUp.backPanels, packed.down.backPanels];
  if (!recording()) {
    const [y, ...rest] = runOp(op, [x, ...weights, ...panels], 3, { ...options, keep: 0 });
    tf.dispose(rest);
    return y as tf.Tensor2D;
  }
  const mlp = tf.customGrad((...given) => {
    const save = given.pop() as tf.GradSaveFunc;
    const inputs = given as tf.Tensor[];
    const [y, inverse, both] = runOp(op, [...inputs, ...panels], 3, { ...options, keep: 1 });
    save([inputs[0]!, inverse!, both!]);
    return {
      value: y!,
      gradFunc: (dy: tf.Tensor, [input, ...saved]: tf.Tensor[]) =>
        runOp(gradientOp, [input!, ...weights, ...backPanels, ...saved, dy], 4, options),
    };
  });
  return mlp(x, ...weights) as tf.Tensor2D;
}
