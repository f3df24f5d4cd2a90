/** Kernels of our own in the native addon (engine/kernels): one op where tfjs-core would need many. */
import * as tf from '@tensorflow/tfjs-core';
import { fusedOps, type DifferentiableOp, type FusedOp, type Op } from './fused-ops.js';
import { another, note, recording, together } from './tape.js';

/** The part of tfjs-node's backend that runs an op by its TensorFlow name. */
export interface OpRunner {
  binding: { TF_ATTR_INT: number; TF_ATTR_FLOAT: number };
  executeMultipleOutputs(
    name: string,
    attributes: { name: string; type: number; value: number }[],
    inputs: tf.TensorInfo[],
    outputs: number,
  ): tf.TensorInfo[];
}

/** What runs our ops, by the name of the backend that has them. */
const runners = new Map<string, OpRunner>();

/** Runs an op by its TensorFlow name; what is differentiated does not see it. */
export function runOp(
  { op, floats = [], integers = [], lists }: Op,
  inputs: tf.TensorInfo[],
  outputs: number,
  values: Readonly<Record<string, number>> = {},
): tf.Tensor[] {
  const runner = runners.get(tf.getBackend())!;
  const { TF_ATTR_FLOAT, TF_ATTR_INT } = runner.binding;
  const attributes = [
    ...floats.map((name) => ({ name, type: TF_ATTR_FLOAT, value: values[name]! })),
    ...integers.map((name) => ({ name, type: TF_ATTR_INT, value: values[name]! })),
    ...(lists === undefined ? [] : [{ name: 'N', type: TF_ATTR_INT, value: lists }]),
  ];
  return runner.executeMultipleOutputs(op, attributes, inputs, outputs) as tf.Tensor[];
}

/** Called by the native engine where it computes on a CPU, for which our kernels are, and by what stands in for it. */
export function enableFused(runner: OpRunner, backendName = 'tensorflow'): void {
  runners.set(backendName, runner);
}

/** Whether the engine in use has our kernels. */
export function fusedAvailable(): boolean {
  return runners.has(tf.getBackend());
}

/** Runs one of our ops, differentiably; tensors and numbers by the names in `fusedOps`. */
export function fused(
  name: FusedOp,
  inputs: Readonly<Record<string, tf.Tensor>>,
  attributes: Readonly<Record<string, number>>,
): tf.Tensor[] {
  const spec: DifferentiableOp = fusedOps[name];
  const { gradient, past = [] } = spec;
  const named = (names: readonly string[]): tf.Tensor[] => names.map((input) => inputs[input]!);
  return together(() => {
    const outputs = runOp(spec, named(spec.inputs), spec.outputs, attributes);
    if (!recording()) return [...outputs, ...named(past)];
    const made = [...outputs, ...named(past).map(another)];
    note({
      made,
      slopesTo: [...outputs.slice(0, gradient.slopes), ...made.slice(outputs.length)],
      read: [...named(gradient.inputs), ...outputs.filter((_, i) => gradient.outputs[i])],
      of: [...named(gradient.of), ...named(gradient.straight ?? [])],
      gradients: (read, slopes) => [
        ...runOp(gradient, [...read, ...slopes], gradient.of.length, attributes),
        ...(gradient.straight ?? []).map(() => slopes[0]!),
      ],
    });
    return made;
  });
}

/**
 * AdamW's update of all parameters (Loshchilov & Hutter 2019), in one op. Moments are updated where they stand: nothing
 * else may share their memory.
 * @param settings β1, 1 − β1, β2, 1 − β2, ε, root of the second moment's correction, rate over the first moment's
 *   correction, share of the parameters that decay leaves, factor on the gradients
 * @returns new parameters
 */
export function fusedAdamW(
  settings: readonly number[],
  parameters: readonly tf.Tensor[],
  first: readonly tf.Tensor[],
  second: readonly tf.Tensor[],
  gradients: readonly tf.Tensor[],
): tf.Tensor[] {
  const inputs = [tf.tensor1d([...settings]), ...parameters, ...first, ...second, ...gradients];
  return runOp({ op: 'KvdAdamW', lists: parameters.length }, inputs, parameters.length);
}

/**
 * Sum over rows of share · (λ·KL(p‖q) + (1−λ)·KL(q‖p)), p = teacher, and its gradient in the student's logits.
 * @param teacher logits [rows, vocabulary], `student` likewise
 * @param shares [rows]
 * @param forwardWeight λ
 */
export function fusedMixedKl(
  teacher: tf.Tensor2D,
  student: tf.Tensor2D,
  shares: tf.Tensor1D,
  forwardWeight: number,
): { value: tf.Scalar; slope: tf.Tensor2D } {
  const op = { op: 'KvdMixedKl', floats: ['forward_weight'] };
  const [value, slope] = runOp(op, [teacher, student, shares], 2, { forward_weight: forwardWeight });
  return { value: value as tf.Scalar, slope: slope as tf.Tensor2D };
}

/**
 * Sum over rows of share · cross entropy, and its gradient in the logits.
 * @param logits [rows, vocabulary]
 * @param labels int32 [rows]
 * @param shares [rows]
 */
export function fusedCrossEntropy(
  logits: tf.Tensor2D,
  labels: tf.Tensor1D,
  shares: tf.Tensor1D,
): { value: tf.Scalar; slope: tf.Tensor2D } {
  const inputs = [logits, tf.cast(labels, 'float32'), shares];
  const [value, slope] = runOp({ op: 'KvdCrossEntropy' }, inputs, 2);
  return { value: value as tf.Scalar, slope: slope as tf.Tensor2D };
}

/** A matrix as products read it, and transposed as their gradients do: what `fusedPack` made, or one number for none. */
export interface Packed {
  panels: tf.Tensor;
  backPanels: tf.Tensor;
}

/**
 * A matrix [rows, columns] as products with it read it, for ops that take `Packed`; they give the same without, and then
 * pack the matrix each time.
 * @param parts into how many matrices of equal width its columns are split
 */
export function fusedPack(matrix: tf.Tensor2D, form: { transposed: 0 | 1; parts: number }): tf.Tensor3D {
  const op = { op: 'KvdPack', integers: ['transposed', 'parts'] };
  return runOp(op, [matrix], 1, form)[0] as tf.Tensor3D;
}

/** Sum of the squares of all numbers in `tensors`, in one op. */
export function fusedSquares(tensors: readonly tf.Tensor[]): tf.Scalar {
  return runOp({ op: 'KvdSquares', lists: tensors.length }, [...tensors], 1)[0] as tf.Scalar;
}

/**
 * Tensors [lists, heads, rows, …] copied with `more` rows of zeros behind theirs, in one op: room that `fusedDecode` may
 * write to, since it is nobody else's.
 */
export function fusedGrow(tensors: readonly tf.Tensor[], more: number): tf.Tensor[] {
  const { length } = tensors;
  return runOp({ op: 'KvdGrow', lists: length, integers: ['more'] }, [...tensors], length, { more });
}

const decodeSettings = {
  floats: ['epsilon', 'scale', 'softcap', 'logit_softcap', 'embedding_scale', 'logit_scale'],
  integers: ['gelu'],
} as const;

/** Numbers that a step of decoding takes besides tensors; 0 for no soft cap. */
export type DecodeSettings = Record<(typeof decodeSettings)['floats' | 'integers'][number], number>;

/**
 * One step of decoding, all layers in one op, which writes keys, values and positions into their row of the cache
 * (engine/kernels/decode_ops.cc has the inputs' shapes, and refuses others).
 * @param single inputs of which there is one
 * @param lists inputs of which each layer has one, a list each
 * @returns likeliest next tokens [batch] and logits [batch, vocabulary]
 */
export function fusedDecode(
  single: readonly tf.Tensor[],
  lists: readonly (readonly tf.Tensor[])[],
  settings: DecodeSettings,
): [tokens: tf.Tensor1D, logits: tf.Tensor2D] {
  const spec = { op: 'KvdDecode', lists: lists[0]!.length, ...decodeSettings };
  return runOp(spec, [...single, ...lists.flat()], 2, settings) as [tf.Tensor1D, tf.Tensor2D];
}
