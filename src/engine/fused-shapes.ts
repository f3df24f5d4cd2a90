/** What our own ops (engine/kernels) make of shapes, by their TensorFlow names. */
import type * as tf from '@tensorflow/tfjs-core';
import type { OpRunner } from './fused.js';
import type { ShapesBackend } from './shapes.js';

type Shape = readonly number[];
type Attributes = Readonly<Record<string, number>>;

interface FusedRule {
  shapes(inputs: readonly Shape[], attributes: Attributes): Shape[];
  /** Multiplications and additions. */
  flops?(inputs: readonly Shape[], attributes: Attributes): number;
}

/** Columns of a panel (engine/kernels/panels.h has 32 with AVX-512; others differ by what is behind the last column). */
const PANEL = 32;

const nothing = (count: number): Shape[] => Array.from({ length: count }, () => [0]);
const size = (shape: Shape): number => shape.reduce((a, b) => a * b, 1);

/** x, routes, a, b of `N` adapters, from the list's first input on. */
function adapters(inputs: readonly Shape[], first: number, count: number): { a: Shape[]; b: Shape[] } {
  const list = (place: number): Shape[] => inputs.slice(first + place * count, first + (place + 1) * count);
  return { a: list(1), b: list(2) };
}

/** Of all adapters together. */
function ranks(inputs: readonly Shape[], first: number, count: number): number {
  return adapters(inputs, first, count).a.reduce((sum, [, rank]) => sum + rank!, 0);
}

function loraFlops(rows: number, { a, b }: { a: Shape[]; b: Shape[] }): number {
  return 2 * rows * [...a, ...b].reduce((sum, shape) => sum + size(shape), 0);
}

/** The lists over `layers` layers of a step of decoding: keys, values, positions, then the weights. */
function decodeLists(inputs: readonly Shape[], layers: number): Shape[][] {
  const lists = inputs.slice(6);
  return Array.from({ length: lists.length / layers }, (_, i) => lists.slice(i * layers, (i + 1) * layers));
}

const attentionGradient: FusedRule = {
  shapes: (inputs, { N }) => [inputs[0]!, ...inputs.slice(3, 3 + 2 * N!)],
  flops: ([queries, , keyPositions]) => 10 * size(queries!) * keyPositions![2]!,
};

const rules: Record<string, FusedRule> = {
  KvdNorm: { shapes: ([x]) => [x!, x!.slice(0, 1)] },
  KvdNormGrad: { shapes: ([x, gain]) => [x!, gain!] },
  KvdGate: { shapes: ([gateUp]) => [[gateUp![0]!, gateUp![1]! / 2]] },
  KvdGateGrad: { shapes: ([gateUp]) => [gateUp!] },
  KvdRotary: {
    shapes: ([packed], { batch, heads, kv_heads }) => {
      const [rows, width] = packed as [number, number];
      const of = (count: number): Shape => [batch!, count, rows / batch!, width / (heads! + 2 * kv_heads!)];
      return [of(heads!), of(kv_heads!), of(kv_heads!)];
    },
  },
  KvdRotaryGrad: {
    shapes: ([, , query, key]) => {
      const [batch, kvHeads, tokens, headDim] = key as [number, number, number, number];
      return [[batch * tokens, (query![1]! + 2 * kvHeads) * headDim]];
    },
  },
  KvdAttention: {
    shapes: ([queries]) => {
      const [batch, heads, tokens, headDim] = queries as [number, number, number, number];
      return [
        [batch * tokens, heads * headDim],
        [batch, heads, tokens],
      ];
    },
    flops: ([queries, , keyPositions]) => 4 * size(queries!) * keyPositions![2]!,
  },
  KvdAttentionGrad: attentionGradient,
  KvdAttentionKeptGrad: attentionGradient,
  KvdLora: {
    shapes: (inputs, { N }) => {
      const [x, base] = inputs as [Shape, Shape];
      return [base, [x[0]!, ranks(inputs, 2, N!)]];
    },
    flops: (inputs, { N }) => loraFlops(inputs[0]![0]!, adapters(inputs, 2, N!)),
  },
  KvdLoraGrad: {
    shapes: (inputs, { N }) => inputs.slice(0, 1 + 3 * N!),
    flops: (inputs, { N }) => 2 * loraFlops(inputs[0]![0]!, adapters(inputs, 1, N!)),
  },
  KvdProduct: {
    shapes: ([a, b], { transposed }) => [[a![0]!, b![transposed === 0 ? 1 : 0]!]],
    flops: ([a, b]) => 2 * a![0]! * size(b!),
  },
  KvdProductGrad: {
    shapes: ([a, b], { learned, through }) => [through === 0 ? [0] : a!, learned === 0 ? [0] : b!],
    flops: ([a, b], { learned, through }) => (through! + learned!) * 2 * a![0]! * size(b!),
  },
  KvdPack: {
    shapes: ([matrix], { transposed, parts }) => {
      const [rows, columns] = matrix as [number, number];
      const [depth, width] = transposed === 0 ? [rows, columns / parts!] : [columns, rows];
      return [[parts! * Math.ceil(width / PANEL), depth, PANEL]];
    },
  },
  KvdProject: {
    shapes: (inputs, { N, batch, heads, kv_heads }) => {
      const [x, , weight] = inputs as [Shape, Shape, Shape];
      const of = (count: number): Shape => [
        batch!,
        count,
        x[0]! / batch!,
        weight[1]! / (heads! + 2 * kv_heads!),
      ];
      return [of(heads!), of(kv_heads!), of(kv_heads!), [x[0]!], [x[0]!, ranks(inputs, 7, N!)]];
    },
    flops: (inputs, { N }) =>
      2 * inputs[0]![0]! * size(inputs[2]!) + loraFlops(inputs[0]![0]!, adapters(inputs, 7, N!)),
  },
  KvdProjectGrad: {
    shapes: (inputs, { N, learned, through }) => {
      const [x, gain, weight, bias] = inputs as [Shape, Shape, Shape, Shape];
      const own = learned === 0 ? nothing(3) : [gain, weight, bias[0] === weight[1] ? bias : [0]];
      return [through === 0 ? [0] : x, ...own, ...inputs.slice(7, 7 + 3 * N!)];
    },
    flops: (inputs, { N, learned, through }) =>
      (through! + learned!) * 2 * inputs[0]![0]! * size(inputs[2]!) +
      2 * loraFlops(inputs[0]![0]!, adapters(inputs, 7, N!)),
  },
  KvdOutput: {
    shapes: (inputs, { N }) => [inputs[2]!, [inputs[0]![0]!, ranks(inputs, 4, N!)]],
    flops: (inputs, { N }) =>
      2 * inputs[0]![0]! * size(inputs[1]!) + loraFlops(inputs[0]![0]!, adapters(inputs, 4, N!)),
  },
  KvdOutputGrad: {
    shapes: (inputs, { N, learned }) => [
      inputs[0]!,
      ...(learned === 0 ? nothing(1) : [inputs[1]!]),
      ...inputs.slice(3, 3 + 3 * N!),
    ],
    flops: (inputs, { N, learned }) =>
      (1 + learned!) * 2 * inputs[0]![0]! * size(inputs[1]!) +
      2 * loraFlops(inputs[0]![0]!, adapters(inputs, 3, N!)),
  },
  KvdMlp: {
    shapes: ([x, , gateUp], { keep }) => [x!, [x![0]!], [keep === 0 ? 0 : x![0]!, gateUp![1]!]],
    flops: ([x, , gateUp, down]) => 2 * x![0]! * (size(gateUp!) + size(down!)),
  },
  KvdMlpGrad: {
    shapes: ([x, ...weights], { learned }) => [x!, ...(learned === 0 ? nothing(3) : weights.slice(0, 3))],
    flops: ([x, , gateUp, down], { learned }) => (1 + learned!) * 2 * x![0]! * (size(gateUp!) + size(down!)),
  },
  KvdAdamW: { shapes: (inputs, { N }) => inputs.slice(1, 1 + N!) },
  KvdStandardise: { shapes: ([scores]) => [scores!, scores!.slice(0, 2), scores!.slice(0, 2)] },
  KvdStandardiseGrad: { shapes: ([scores]) => [scores!] },
  KvdTakeRows: { shapes: ([x, rows]) => [[rows![0]!, x![1]!]] },
  KvdTakeRowsGrad: { shapes: ([x]) => [x!] },
  KvdScaleRows: { shapes: ([rows]) => [rows!] },
  KvdScaleRowsGrad: { shapes: ([rows, factors]) => [rows!, factors!] },
  KvdCrossEntropy: { shapes: ([logits]) => [[], logits!] },
  KvdMixedKl: { shapes: ([, student]) => [[], student!] },
  KvdSquares: { shapes: () => [[]] },
  KvdGrow: {
    shapes: (inputs, { more }) =>
      inputs.map(([lists, heads, rows, ...rest]) => [lists!, heads!, rows! + more!, ...rest]),
  },
  KvdDecode: {
    shapes: (inputs, { N }) => {
      const [batch] = decodeLists(inputs, N!)[0]![0]!;
      return [[batch!], [batch!, inputs[1]![0]!]];
    },
    flops: (inputs, { N }) => {
      const [keys, values, , ...weights] = decodeLists(inputs, N!);
      const [batch, kvHeads, , width] = keys![0]!;
      const matrices = weights.flat().filter((shape) => shape.length === 2);
      const columns = weights.flat().find((shape) => shape.length === 2)![1]!;
      const group = (columns / width! - 2 * kvHeads!) / kvHeads!;
      const attended = [...keys!, ...values!].reduce((sum, shape) => sum + size(shape), 0);
      const weighed = matrices.reduce((sum, shape) => sum + size(shape), size(inputs[1]!));
      return 2 * (batch! * weighed + group * attended);
    },
  },
};

/** Stands in for the native addon. */
export function fusedRunner(backend: ShapesBackend, wrap: (made: tf.TensorInfo) => tf.Tensor): OpRunner {
  return {
    binding: { TF_ATTR_INT: 0, TF_ATTR_FLOAT: 1 },
    executeMultipleOutputs: (name, given, inputs) => {
      const rule = rules[name];
      if (rule === undefined) throw new Error(`the engine of shapes does not know ${name}`);
      const attributes = Object.fromEntries(given.map(({ name: key, value }) => [key, value]));
      const shapes = inputs.map(({ shape }) => shape);
      const made = rule.shapes(shapes, attributes).map((shape) => backend.make([...shape], 'float32'));
      backend.count(rule.flops?.(shapes, attributes) ?? 0, [...inputs, ...made]);
      return made.map(wrap);
    },
  };
}
