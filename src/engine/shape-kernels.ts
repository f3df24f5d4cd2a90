/** What each op makes of shapes. */
import * as tf from '@tensorflow/tfjs-core';
import type { ShapesBackend } from './shapes.js';

type Inputs = Record<string, tf.TensorInfo>;
type Attributes = Record<string, unknown>;
/** Shape and type of each output. */
type Made = [shape: number[], dtype: tf.DataType];
type Rule = (inputs: Inputs, attributes: Attributes) => Made | Made[];

const { assertAndGetBroadcastShape: broadcast, expandShapeToKeepDim } = tf.backend_util;

const unary: Rule = ({ x }) => [x!.shape, x!.dtype];
const binary: Rule = ({ a, b }) => [broadcast(a!.shape, b!.shape), a!.dtype];
const compared: Rule = ({ a, b }) => [broadcast(a!.shape, b!.shape), 'bool'];

function axesOf(given: unknown, rank: number): number[] {
  return tf.util.parseAxisParam(given as number | number[], Array<number>(rank).fill(1));
}

const reduced: Rule = ({ x }, { axis, reductionIndices, keepDims }) => {
  const axes = axesOf(axis ?? reductionIndices, x!.shape.length);
  const left = x!.shape.filter((_, i) => !axes.includes(i));
  return [keepDims === true ? expandShapeToKeepDim(left, axes) : left, x!.dtype];
};

function axisOf(given: unknown, rank: number): number {
  return axesOf(given, rank)[0]!;
}

function withSize(shape: readonly number[], axis: number, size: number): number[] {
  return shape.map((length, i) => (i === axis ? size : length));
}

const named = (names: readonly string[], rule: Rule): Record<string, Rule> =>
  Object.fromEntries(names.map((name) => [name, rule]));

const rules: Record<string, Rule> = {
  ...named(
    [
      ...'Abs Elu Erf Exp Floor Log Log1p Neg Relu Rsqrt Sigmoid Sign Sin Cos Softplus Sqrt Square Step Tanh'.split(
        ' ',
      ),
    ],
    unary,
  ),
  ...named(['ZerosLike', 'OnesLike', 'Reverse', 'Cumsum', 'ClipByValue'], unary),
  ...named(['Add', 'Sub', 'Multiply', 'RealDiv', 'FloorDiv', 'Maximum', 'Minimum', 'Mod', 'Pow'], binary),
  ...named(['SquaredDifference', 'Prelu'], binary),
  ...named(['Equal', 'NotEqual', 'Less', 'LessEqual', 'Greater', 'GreaterEqual'], compared),
  ...named(['LogicalAnd', 'LogicalOr'], compared),
  ...named(['IsNan', 'IsInf', 'IsFinite', 'LogicalNot'], ({ x }) => [x!.shape, 'bool']),
  ...named(['Sum', 'Mean', 'Max', 'Min', 'Prod'], reduced),
  ...named(['All', 'Any'], (inputs, attributes) => [(reduced(inputs, attributes) as Made)[0], 'bool']),
  ...named(['ArgMax', 'ArgMin'], ({ x }, { axis }) => {
    const along = axisOf(axis, x!.shape.length);
    return [x!.shape.filter((_, i) => i !== along), 'int32'];
  }),
  AddN: (inputs) => [Object.values(inputs)[0]!.shape, 'float32'],
  BatchMatMul: ({ a, b }, { transposeA, transposeB }) => {
    const rows = a!.shape.at(transposeA === true ? -1 : -2)!;
    const columns = b!.shape.at(transposeB === true ? -2 : -1)!;
    return [[...broadcast(a!.shape.slice(0, -2), b!.shape.slice(0, -2)), rows, columns], 'float32'];
  },
  Cast: ({ x }, { dtype }) => [x!.shape, dtype as tf.DataType],
  Concat: (inputs, { axis }) => {
    const parts = Object.values(inputs);
    const along = axisOf(axis, parts[0]!.shape.length);
    const size = parts.reduce((sum, { shape }) => sum + shape[along]!, 0);
    return [withSize(parts[0]!.shape, along, size), parts[0]!.dtype];
  },
  Fill: (_, { shape, dtype }) => [shape as number[], (dtype as tf.DataType | undefined) ?? 'float32'],
  GatherV2: ({ x, indices }, { axis }) => {
    const along = axisOf(axis, x!.shape.length);
    return [[...x!.shape.slice(0, along), ...indices!.shape, ...x!.shape.slice(along + 1)], x!.dtype];
  },
  OneHot: ({ indices }, { depth }) => [[...indices!.shape, depth as number], 'float32'],
  Pack: (inputs, { axis }) => {
    const parts = Object.values(inputs);
    const shape = [...parts[0]!.shape];
    shape.splice(axis as number, 0, parts.length);
    return [shape, parts[0]!.dtype];
  },
  PadV2: ({ x }, { paddings }) => [
    x!.shape.map((length, i) => {
      const [before, after] = (paddings as [number, number][])[i]!;
      return before + length + after;
    }),
    x!.dtype,
  ],
  Range: (_, { start, stop, step, dtype }) => {
    const count = Math.ceil(((stop as number) - (start as number)) / (step as number));
    return [[Math.max(0, count)], dtype as tf.DataType];
  },
  Select: ({ t }) => [t!.shape, t!.dtype],
  Slice: ({ x }, { begin, size }) => [
    tf.slice_util.parseSliceParams(x as tf.Tensor, begin as number, size as number)[1]!,
    x!.dtype,
  ],
  ...named(['Softmax', 'LogSoftmax'], ({ logits }) => [logits!.shape, 'float32']),
  SplitV: ({ x }, { numOrSizeSplits, axis }) => {
    const along = axisOf(axis, x!.shape.length);
    const sizes = tf.backend_util.prepareSplitSize(
      { shape: x!.shape } as tf.Tensor,
      numOrSizeSplits as number | number[],
      along,
    );
    return sizes.map((size): Made => [withSize(x!.shape, along, size), x!.dtype]);
  },
  Tile: ({ x }, { reps }) => [x!.shape.map((length, i) => length * (reps as number[])[i]!), x!.dtype],
  TopK: ({ x }, { k }) => {
    const shape = withSize(x!.shape, x!.shape.length - 1, k as number);
    return [
      [shape, x!.dtype],
      [shape, 'int32'],
    ];
  },
  Transpose: ({ x }, { perm }) => [(perm as number[]).map((axis) => x!.shape[axis]!), x!.dtype],
  UnsortedSegmentSum: ({ x, segmentIds }, { numSegments }) => [
    [numSegments as number, ...x!.shape.slice(segmentIds!.shape.length)],
    x!.dtype,
  ],
};

/** Ops that give their input's data another shape. */
const views: Record<string, (x: tf.TensorInfo, attributes: Attributes) => number[]> = {
  Identity: (x) => x.shape,
  Reshape: (x, { shape }) =>
    tf.util.inferFromImplicitShape(shape as number[], tf.util.sizeFromShape(x.shape)),
  ExpandDims: (x, { dim }) => {
    const shape = [...x.shape];
    shape.splice((dim as number) < 0 ? x.shape.length + (dim as number) + 1 : (dim as number), 0, 1);
    return shape;
  },
};

function product(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a * b, 1);
}

/** Of the inner size of a product, what TensorFlow packs at once. */
const PACKED = 768;

/**
 * Multiplications and additions of the products in an op, and bytes that TensorFlow holds for itself meanwhile on a CPU.
 * Its products (Eigen's contraction on threads) pack two slices of the inner size, of both operands, rounded up to
 * blocks: 500 to 960 floats for each row and column, and at most 1.5 of the inner size, at 14 shapes where its calls of
 * malloc were looked at.
 */
const products: Record<
  string,
  (
    inputs: Inputs,
    outputs: readonly tf.TensorInfo[],
    attributes: Attributes,
  ) => { flops: number; scratch: number }
> = {
  BatchMatMul: ({ a }, [made], { transposeA }) => {
    const inner = a!.shape.at(transposeA === true ? -2 : -1)!;
    const [rows, columns] = made!.shape.slice(-2) as [number, number];
    return {
      flops: 2 * inner * product(made!.shape),
      scratch: 4 * (rows + columns) * Math.min(1.5 * inner, PACKED),
    };
  },
};

/** Registers all ops for the backend of this name. */
export function registerShapeKernels(backendName: string, backend: ShapesBackend): void {
  for (const [kernelName, shapeOf] of Object.entries(views)) {
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs }) => {
        const [x] = Object.values(inputs) as [tf.TensorInfo];
        return backend.view(x, shapeOf(x, attrs as unknown as Attributes));
      },
    });
  }
  for (const [kernelName, rule] of Object.entries(rules)) {
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs: given, attrs }) => {
        const inputs = given as Inputs;
        const attributes = attrs as unknown as Attributes;
        const made = rule(inputs, attributes);
        const single = typeof made[1] === 'string';
        const outputs = ((single ? [made] : made) as Made[]).map(([shape, dtype]) =>
          backend.make([...shape], dtype),
        );
        const work = products[kernelName]?.(inputs, outputs, attributes);
        backend.count(work?.flops ?? 0, [...Object.values(inputs), ...outputs], work?.scratch);
        return single ? outputs[0]! : outputs;
      },
    });
  }
}
