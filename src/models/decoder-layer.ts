/** One layer of a decoder: attention and MLP around the residual stream. */
import * as tf from '@tensorflow/tfjs-core';
import { checkpoint } from '../engine/checkpointing.js';
import { fusedAvailable } from '../engine/fused.js';
import { together } from '../engine/tape.js';
import type { DecoderPlan } from './architectures/architecture.js';
import {
  fusedAttention,
  joinPieces,
  observedWeights,
  weightedAttention,
  type KeysAndValues,
  type ObserveWeights,
  type Sight,
} from './attention.js';
import type { ModelConfig } from './config.js';
import { addAttention, addMlp, projectHeads } from './layer-parts.js';
import type { ActiveLora } from './lora.js';
import { pickRows, type RotaryTable } from './ops.js';
import type { PackedMatrices } from './packed-matrices.js';

/** One layer's weights, ready to multiply from the right: matrices are [in, out], norms hold their full gain. */
export interface LayerWeights {
  inputNorm: tf.Tensor1D;
  /** [hidden, (heads + 2·kvHeads)·headDim]: queries, keys, values side by side. */
  qkv: tf.Tensor2D;
  qkvBias?: tf.Tensor1D;
  /** [headDim] */
  queryNorm?: tf.Tensor1D;
  keyNorm?: tf.Tensor1D;
  attentionOut: tf.Tensor2D;
  attentionOutBias?: tf.Tensor1D;
  postAttentionNorm?: tf.Tensor1D;
  mlpNorm: tf.Tensor1D;
  /** [hidden, 2·intermediate]: gate and up side by side. */
  gateUp: tf.Tensor2D;
  mlpDown: tf.Tensor2D;
  postMlpNorm?: tf.Tensor1D;
}

/** A layer of a model. */
export interface Layer {
  index: number;
  config: ModelConfig;
  plan: DecoderPlan;
  weights: LayerWeights;
  packed: PackedMatrices;
}

/** Queries and keys of a layer's new tokens; the raw ones before rotary embedding, after a norm of their own. */
export interface Projections {
  /** [batch, tokens, heads, headDim] */
  rawQueries: tf.Tensor4D;
  /** [batch, tokens, kvHeads, headDim] */
  rawKeys: tf.Tensor4D;
  /** After rotary embedding, [batch, heads, tokens, headDim]. */
  queries: tf.Tensor4D;
}

/** Who looks on during a pass. */
export interface Observers {
  /**
   * Reduces the attention weights [batch, kvHeads, group, queries, keys] of the query tokens from `first` on to
   * what is wanted of them. Long batches come in several pieces, whose results are added up.
   */
  observeAttention?: (layer: number, weights: tf.Tensor5D, first: number) => tf.Tensor;
  /**
   * The query tokens that matter to it, where not all do: `count` of them from `first` on. Then it may, but need not,
   * be shown others, too.
   */
  observedTokens?: { first: number; count: number };
  /** What becomes of the pieces' results; they are added up unless given. */
  mergeObserved?: (parts: tf.Tensor[]) => tf.Tensor;
  /** Reduces queries and keys to what is wanted of them. */
  observeProjections?: (layer: number, projections: Projections) => tf.Tensor;
}

/** What one layer is given beside the residual stream. */
export interface Pass {
  batch: number;
  tokens: number;
  rotary: RotaryTable;
  /** Of a layer that attends. */
  sight?: Sight;
  past?: KeysAndValues;
  join?: boolean | undefined;
  /** Whether the pass is run for its keys and values. */
  cacheOnly?: boolean | undefined;
  lora?: ActiveLora | undefined;
  observers: Observers;
  /** Added to attention logits, [batch, kvHeads or 1, 1, keys]. */
  bias?: tf.Tensor4D | undefined;
  /** Query tokens that attend at once. */
  block: number;
  /** Whether the engine has ops for the parts around attention as wholes. */
  fuse: boolean;
  /** Whether no gradient is asked for of the residual stream that comes in. */
  constant?: boolean;
  /** Rows whose output alone is wanted, int32 [wanted]. */
  wanted?: tf.Tensor1D | undefined;
}

/** What one layer leaves. (A type, so that tf.tidy takes it.) */
export type LayerResult = {
  /** [batch·tokens or wanted, hidden] */
  x: tf.Tensor2D;
  /** [batch, kvHeads, tokens, headDim] */
  keys: tf.Tensor4D;
  values: tf.Tensor4D;
  observed?: tf.Tensor;
  projected?: tf.Tensor;
  /** Past rows and the layer's own, where they were to be joined. */
  joined?: KeysAndValues;
};

/** Whether attention is one op, which leaves no weights to look at: those of a few queries are then computed apart. */
export function attendsAtOnce({ bias, observers }: Pick<Pass, 'bias' | 'observers'>): boolean {
  const { observeAttention, observedTokens } = observers;
  return (
    fusedAvailable() && bias === undefined && (observeAttention === undefined || observedTokens !== undefined)
  );
}

/** Whether all that a layer does with its residual stream are ops of our own. */
function allOurs({ weights }: Layer, { fuse, join, bias, observers }: Pass): boolean {
  const { queryNorm, attentionOutBias, postAttentionNorm, postMlpNorm } = weights;
  const { observeAttention, observeProjections } = observers;
  const others = [queryNorm, attentionOutBias, postAttentionNorm, postMlpNorm, bias];
  return (
    fuse && join !== true && [...others, observeAttention, observeProjections].every((x) => x === undefined)
  );
}

/** A whole layer. */
export function runLayer(layer: Layer, x: tf.Tensor2D, pass: Pass): LayerResult {
  const run = (): LayerResult => {
    const attended = attend(layer, x, pass);
    return { ...attended, x: addMlp(layer, attended.x, pass) };
  };
  return allOurs(layer, pass) ? together(run) : run();
}

function attend(layer: Layer, x: tf.Tensor2D, pass: Pass): LayerResult {
  const { past, lora, wanted } = pass;
  const { heads, past: residual, packed } = projectHeads(layer, x, pass, false);
  const { query, key, value } = heads;
  const own = { keys: key, values: value };
  const pieces = past === undefined ? [own] : [past, own];
  const joined =
    past !== undefined && pass.join === true
      ? { keys: joinPieces(pieces, 'keys'), values: joinPieces(pieces, 'values') }
      : undefined;
  const seen = joined === undefined ? pieces : [joined];
  const { rows, piece, observed } = attention(layer, query, seen, pass);
  const only = (all: tf.Tensor2D): tf.Tensor2D => (wanted === undefined ? all : pickRows(all, wanted));
  return {
    x: addAttention(layer, only(residual), only(rows), { ...pass, lora: lora && routedAt(lora, only) }),
    ...(piece ?? own),
    ...(joined !== undefined && { joined }),
    ...reduced(layer, pass, observed, query, packed),
  };
}

/** A LoRA in force on chosen rows alone, as far as the output projection is concerned. */
function routedAt(lora: ActiveLora, only: (all: tf.Tensor2D) => tf.Tensor2D): ActiveLora {
  const o = lora.routing?.o;
  return o === undefined ? lora : { ...lora, routing: { ...lora.routing, o: only(o) } };
}

/** What new tokens see of all keys, and what observers make of the weights. */
function attention(
  layer: Layer,
  query: tf.Tensor4D,
  pieces: readonly KeysAndValues[],
  pass: Pass,
): { rows: tf.Tensor2D; piece?: KeysAndValues; observed: tf.Tensor[] } {
  const { index, plan } = layer;
  const { past, cacheOnly, bias, block } = pass;
  const sight = pass.sight!;
  const { observeAttention } = pass.observers;
  const settings = { scale: plan.attentionScale, softcap: plan.attentionSoftcap };
  if (!attendsAtOnce(pass)) {
    const seeing: ObserveWeights | undefined =
      observeAttention && ((seen, first) => observeAttention(index, seen, first));
    const [keys, values] = [joinPieces(pieces, 'keys'), joinPieces(pieces, 'values')];
    return weightedAttention(query, keys, values, sight, { ...settings, bias, block }, seeing);
  }
  const { queries, keys, window } = sight;
  const kept = past === undefined && cacheOnly === true;
  const attended = fusedAttention(query, pieces, queries, keys, { ...settings, window }, kept);
  return { ...attended, observed: observe(layer, query, pieces, pass) };
}

/** What is observed of the weights of the query tokens that matter, in pieces. */
function observe(
  { index, plan }: Layer,
  query: tf.Tensor4D,
  pieces: readonly KeysAndValues[],
  { sight, bias, block, observers }: Pass,
): tf.Tensor[] {
  const { observeAttention, observedTokens } = observers;
  if (observeAttention === undefined) return [];
  const { first, count } = observedTokens ?? { first: 0, count: query.shape[2] };
  const some = tf.slice(query, [0, 0, first, 0], [-1, -1, count, -1]);
  const { queries, keys, window } = sight!;
  const theirs = { queries: tf.slice(queries, [0, first], [-1, count]), keys, window };
  const settings = { scale: plan.attentionScale, softcap: plan.attentionSoftcap, bias, block };
  return observedWeights(some, joinPieces(pieces, 'keys'), theirs, settings, (seen, from) =>
    observeAttention(index, seen, first + from),
  );
}

/** What observers of projections see: of [batch·tokens, (heads + 2·kvHeads)·headDim] before rotary embedding. */
function projections(config: ModelConfig, qkv: tf.Tensor2D, queries: tf.Tensor4D): Projections {
  const { numHeads, numKvHeads, headDim } = config;
  const [batch, , tokens] = queries.shape;
  const heads = tf.reshape(qkv, [batch, tokens, numHeads + 2 * numKvHeads, headDim]);
  const [rawQueries, rawKeys] = tf.split(heads, [numHeads, numKvHeads, numKvHeads], 2) as tf.Tensor4D[];
  return { rawQueries: rawQueries!, rawKeys: rawKeys!, queries };
}

/** Keys and values of a last layer whose output nobody needs, and what observers make of it. */
export function runForCache(layer: Layer, x: tf.Tensor2D, pass: Pass): LayerResult {
  const { past, observers } = pass;
  const observing = observers.observeAttention ?? observers.observeProjections;
  const { heads, packed } = projectHeads(layer, x, pass, observing === undefined);
  const own = { keys: heads.key, values: heads.value };
  if (observing === undefined) return { x, ...own };
  const observed = observe(layer, heads.query, past === undefined ? [own] : [past, own], pass);
  return { x, ...own, ...reduced(layer, pass, observed, heads.query, packed) };
}

/** What observers have made of a layer. */
function reduced(
  { index, config }: Layer,
  { observers: { mergeObserved = tf.addN, observeProjections } }: Pass,
  observed: tf.Tensor[],
  query: tf.Tensor4D,
  packed: tf.Tensor2D | undefined,
): Pick<LayerResult, 'observed' | 'projected'> {
  return {
    ...(observed.length > 0 && { observed: mergeObserved(observed) }),
    ...(observeProjections && { projected: observeProjections(index, projections(config, packed!, query)) }),
  };
}

/** Of `tensors` those that bear the names of `some`. */
function among<T extends object>(tensors: Readonly<Record<string, tf.Tensor>>, some: T): T {
  return Object.fromEntries(Object.keys(some).map((name) => [name, tensors[name]!])) as T;
}

/** `runLayer`, computed again in the backward pass; nobody observes it, and nothing is joined. */
export function runCheckpointed(layer: Layer, x: tf.Tensor2D, pass: Pass): LayerResult {
  const { rotary, sight, past, bias, lora, batch, tokens, block, fuse, wanted } = pass;
  const { queries, keys: positions, mask, window } = sight!;
  const weights = Object.values(layer.weights) as tf.Tensor[];
  const pairs = Object.values(lora?.adapter.layers[layer.index] ?? {}).flatMap(({ a, b }) => [a, b]);
  const [next, keys, values] = checkpoint(
    (given) => {
      const again = runLayer(layer, given.x as tf.Tensor2D, {
        ...{ batch, tokens, block, fuse, observers: {} },
        rotary: { cos: given.cos!, signedSin: given.signedSin! },
        sight: {
          queries: given.queries as tf.Tensor2D,
          keys: given.positions as tf.Tensor3D,
          window,
          ...(mask && { mask: given.mask as tf.Tensor4D }),
        },
        ...(past && { past: { keys: given.keys as tf.Tensor4D, values: given.values as tf.Tensor4D } }),
        ...(bias && { bias: given.bias as tf.Tensor4D }),
        ...(wanted && { wanted: given.wanted as tf.Tensor1D }),
        lora: lora && { ...lora, ...(lora.routing && { routing: among(given, lora.routing) }) },
      });
      return [again.x, again.keys, again.values];
    },
    {
      inputs: { x, ...past, ...(bias && { bias }), ...lora?.routing },
      constants: { ...rotary, queries, positions, ...(mask && { mask }), ...(wanted && { wanted }) },
      variables: [...weights, ...pairs].filter((tensor) => tensor instanceof tf.Variable),
    },
  );
  return { x: next as tf.Tensor2D, keys: keys as tf.Tensor4D, values: values as tf.Tensor4D };
}
