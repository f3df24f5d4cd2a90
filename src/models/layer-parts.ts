/** The parts of a layer around its attention: one op each where the engine has them, several elsewhere. */
import * as tf from '@tensorflow/tfjs-core';
import { fused } from '../engine/fused.js';
import { recording } from '../engine/tape.js';
import { splitHeads, type Heads } from './attention.js';
import type { Layer, Pass } from './decoder-layer.js';
import { addLora, loraInputs, loraScale, type LoraTarget } from './lora.js';
import { gatedActivations, geluFlag, learnedFlag, normHeads, rmsNorm } from './ops.js';

/** What stands side by side in a projection, and which adapters it has. */
interface Projection {
  weight: tf.Tensor2D;
  bias: tf.Tensor1D | undefined;
  heads: number;
  targets: readonly LoraTarget[];
}

function projection({ config, weights }: Layer, cacheOnly: boolean): Projection {
  const { numHeads, numKvHeads, headDim } = config;
  const { qkv, qkvBias } = weights;
  if (!cacheOnly) return { weight: qkv, bias: qkvBias, heads: numHeads, targets: ['q', 'k', 'v'] };
  const [first, width] = [numHeads * headDim, 2 * numKvHeads * headDim];
  return {
    weight: tf.slice(qkv, [0, first], [-1, width]),
    bias: qkvBias && tf.slice(qkvBias, first, width),
    heads: 0,
    targets: ['k', 'v'],
  };
}

/** By how many adapters they have. */
const projectOps = { 0: 'KvdProject0', 2: 'KvdProject2', 3: 'KvdProject3' } as const;
const outputOps = { 0: 'KvdOutput0', 1: 'KvdOutput1' } as const;

/**
 * The heads of a residual stream's tokens, normed, projected, adapted and rotated.
 * @param x [batch·tokens, hidden]
 * @param cacheOnly leaves out the queries
 * @returns with the heads: x for what goes past all this; and where several ops make them, what they are before rotary
 *   embedding, side by side
 */
export function projectHeads(
  layer: Layer,
  x: tf.Tensor2D,
  { batch, rotary, lora, fuse, constant, observers }: Pass,
  cacheOnly: boolean,
): { heads: Heads; past: tf.Tensor2D; packed?: tf.Tensor2D } {
  const { index, config, weights, packed: matrices } = layer;
  const { numKvHeads, rmsNormEps } = config;
  const { weight, bias, heads, targets } = projection(layer, cacheOnly);
  const counts = { heads, kvHeads: numKvHeads };
  const plain = weights.queryNorm === undefined && observers.observeProjections === undefined;
  if (fuse && plain) {
    const gain = weights.inputNorm;
    const adapters = lora === undefined ? {} : loraInputs(lora, index, targets);
    const none = matrices.none();
    // A part of a matrix is made anew each time.
    const panels = cacheOnly ? { panels: none, backPanels: none } : matrices.of(weight);
    const [query, key, value, , , past] = fused(
      projectOps[(lora === undefined ? 0 : targets.length) as keyof typeof projectOps],
      { x, gain, weight, bias: bias ?? none, ...rotary, ...panels, ...adapters },
      {
        epsilon: rmsNormEps,
        scale: lora === undefined ? 0 : loraScale(lora.adapter),
        ...{ batch, heads, kv_heads: numKvHeads },
        ...{ learned: learnedFlag(weights.qkv), through: constant ? 0 : 1 },
      },
    );
    return { heads: { query, key, value } as unknown as Heads, past: past as tf.Tensor2D };
  }
  const h = rmsNorm(x, weights.inputNorm, rmsNormEps);
  let packed = tf.matMul<tf.Tensor2D>(h, weight);
  if (bias) packed = tf.add(packed, bias);
  if (lora) packed = addLora(packed, h, lora, index, targets);
  packed = normHeads(packed, weights, [heads, numKvHeads, numKvHeads], rmsNormEps);
  return { heads: splitHeads(packed, batch, counts, rotary), past: x, packed };
}

/**
 * The residual stream behind a layer's attention.
 * @param rows the heads of every token, side by side, [batch·tokens, heads·headDim]
 */
export function addAttention(
  { index, config, weights, packed }: Layer,
  x: tf.Tensor2D,
  rows: tf.Tensor2D,
  { lora, fuse }: Pass,
): tf.Tensor2D {
  const { attentionOut: weight, attentionOutBias, postAttentionNorm } = weights;
  const plain = attentionOutBias === undefined && postAttentionNorm === undefined;
  if (fuse && plain) {
    const adapters = lora === undefined ? {} : loraInputs(lora, index, ['o']);
    const scale = lora === undefined ? 0 : loraScale(lora.adapter);
    const op = outputOps[lora === undefined ? 0 : 1];
    const attributes = { scale, learned: learnedFlag(weight) };
    const inputs = { rows, weight, residual: x, ...packed.of(weight), ...adapters };
    return fused(op, inputs, attributes)[0] as tf.Tensor2D;
  }
  let out = tf.matMul<tf.Tensor2D>(rows, weight);
  if (attentionOutBias) out = tf.add(out, attentionOutBias);
  if (lora) out = addLora(out, rows, lora, index, ['o']);
  if (postAttentionNorm) out = rmsNorm(out, postAttentionNorm, config.rmsNormEps);
  return tf.add<tf.Tensor2D>(x, out);
}

/** The residual stream behind a layer's MLP. */
export function addMlp(
  { config, plan, weights, packed }: Layer,
  x: tf.Tensor2D,
  { fuse }: Pick<Pass, 'fuse'>,
): tf.Tensor2D {
  const { mlpNorm, gateUp, mlpDown, postMlpNorm } = weights;
  if (fuse && postMlpNorm === undefined) {
    const [first, second] = [packed.of(gateUp, 2), packed.of(mlpDown)];
    const panels = { gateUpPanels: first.panels, downPanels: second.panels };
    const backPanels = { gateUpBackPanels: first.backPanels, downBackPanels: second.backPanels };
    const inputs = { x, gain: mlpNorm, gateUp, down: mlpDown, ...panels, ...backPanels };
    const flags = {
      gelu: geluFlag[plan.activation],
      keep: recording() ? 1 : 0,
      learned: learnedFlag(gateUp),
    };
    return fused('KvdMlp', inputs, { epsilon: config.rmsNormEps, ...flags })[0] as tf.Tensor2D;
  }
  const both = tf.matMul<tf.Tensor2D>(rmsNorm(x, mlpNorm, config.rmsNormEps), gateUp);
  let mlp = tf.matMul<tf.Tensor2D>(gatedActivations[plan.activation](both), mlpDown);
  if (postMlpNorm) mlp = rmsNorm(mlp, postMlpNorm, config.rmsNormEps);
  return tf.add(x, mlp);
}
