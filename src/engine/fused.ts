/** Kernels of our own in the native addon (engine/kernels): one op where tfjs-core would need many. */
import * as tf from '@tensorflow/tfjs-core';

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

interface OpSpec {
  inputs: readonly string[];
  outputs: number;
  floats?: readonly string[];
  integers?: readonly string[];
  /**
   * The op of the gradient: it gets some inputs and outputs of this one, then the slopes of the first `slopes`
   * outputs, and gives the gradients of the inputs named `of`.
   */
  gradient?: {
    op: string;
    inputs: readonly string[];
    outputs: readonly boolean[];
    slopes: number;
    of: readonly string[];
  };
}

const attention = {
  inputs: ['queries', 'keys', 'values', 'queryPositions', 'keyPositions'],
  floats: ['scale', 'softcap', 'window'],
} as const;

/** Our differentiable ops, as engine/kernels registers them. */
const ops = {
  KvdNorm: {
    inputs: ['x', 'gain'],
    outputs: 2,
    floats: ['epsilon'],
    gradient: {
      op: 'KvdNormGrad',
      inputs: ['x', 'gain'],
      outputs: [false, true],
      slopes: 1,
      of: ['x', 'gain'],
    },
  },
  KvdGate: {
    inputs: ['gateUp'],
    outputs: 1,
    integers: ['gelu'],
    gradient: { op: 'KvdGateGrad', inputs: ['gateUp'], outputs: [], slopes: 1, of: ['gateUp'] },
  },
  KvdRotary: {
    inputs: ['packed', 'cos', 'signedSin'],
    outputs: 3,
    integers: ['batch', 'heads', 'kv_heads'],
    gradient: { op: 'KvdRotaryGrad', inputs: ['cos', 'signedSin'], outputs: [], slopes: 3, of: ['packed'] },
  },
  KvdAttention: {
    ...attention,
    outputs: 2,
    gradient: {
      op: 'KvdAttentionGrad',
      inputs: attention.inputs,
      outputs: [true, true],
      slopes: 1,
      of: ['queries', 'keys', 'values'],
    },
  },
} as const satisfies Record<string, OpSpec>;

/** What the ops of gradients take besides tensors. */
const gradientAttributes: Record<string, Pick<OpSpec, 'floats' | 'integers'>> = {
  KvdGateGrad: { integers: ['gelu'] },
  KvdAttentionGrad: { floats: attention.floats },
};

export type FusedOp = keyof typeof ops;

let available = false;

function register(backend: OpRunner, name: string, spec: OpSpec): void {
  const run = (
    op: string,
    { floats = [], integers = [] }: Pick<OpSpec, 'floats' | 'integers'>,
    tensors: tf.TensorInfo[],
    values: Record<string, number>,
    outputs: number,
  ): tf.TensorInfo[] => {
    const { TF_ATTR_FLOAT, TF_ATTR_INT } = backend.binding;
    const attributes = [
      ...floats.map((key) => ({ name: key, type: TF_ATTR_FLOAT, value: values[key]! })),
      ...integers.map((key) => ({ name: key, type: TF_ATTR_INT, value: values[key]! })),
    ];
    return backend.executeMultipleOutputs(op, attributes, tensors, outputs);
  };
  const kernel = (
    kernelName: string,
    inputs: readonly string[],
    own: typeof spec | object,
    outputs: number,
  ): void =>
    tf.registerKernel({
      kernelName,
      backendName: 'tensorflow',
      kernelFunc: (given) => {
        const tensors = inputs.map((input) => given.inputs[input] as tf.TensorInfo);
        return run(kernelName, own, tensors, given.attrs as unknown as Record<string, number>, outputs);
      },
    });
  kernel(name, spec.inputs, spec, spec.outputs);
  const { gradient } = spec;
  if (gradient === undefined) return;
  const { length } = [...gradient.inputs, ...gradient.outputs.filter(Boolean)];
  const places = Array.from({ length: length + gradient.slopes }, (_, i) => `${i}`);
  kernel(gradient.op, places, gradientAttributes[gradient.op] ?? {}, gradient.of.length);
  tf.registerGradient({
    kernelName: name,
    inputsToSave: [...gradient.inputs],
    outputsToSave: [...gradient.outputs],
    gradFunc: (slopes, saved, attrs) => {
      const tensors = [...saved, ...[slopes].flat().slice(0, gradient.slopes)];
      const named = Object.fromEntries(tensors.map((tensor, i) => [`${i}`, tensor]));
      const result: tf.Tensor | tf.Tensor[] = tf.engine().runKernel(gradient.op, named, attrs);
      const gradients = [result].flat();
      return Object.fromEntries(gradient.of.map((input, i) => [input, () => gradients[i]!]));
    },
  });
}

/** Called by the native engine where it computes on a CPU: our kernels are for CPUs. */
export function enableFused(backend: OpRunner): void {
  for (const [name, spec] of Object.entries(ops)) register(backend, name, spec);
  available = true;
}

/** Whether the engine in use has our kernels. */
export function fusedAvailable(): boolean {
  return available && tf.getBackend() === 'tensorflow';
}

/** Runs one of our ops, differentiably. */
export function fused<Name extends FusedOp>(
  name: Name,
  inputs: Record<(typeof ops)[Name]['inputs'][number], tf.Tensor>,
  attributes: Record<string, number>,
): tf.Tensor[] {
  return tf
    .engine()
    .runKernel(
      name,
      inputs as unknown as tf.NamedTensorMap,
      attributes as unknown as tf.NamedAttrMap,
    ) as unknown as tf.Tensor[];
}
