/** The decoder that every architecture shares: a plan (what differs) and weights (what was learned). */
import * as tf from '@tensorflow/tfjs-core';
import { checkpoint } from '../engine/checkpointing.js';
import type { DecoderPlan } from './architectures/architecture.js';
import { fusedAvailable } from '../engine/fused.js';
import { fusedAttention, splitHeads } from './attention.js';
import { attentionMask, keyPositions, positionIds, type TokenBatch } from './batch.js';
import { concatPositions, type KvCache } from './cache.js';
import type { ModelConfig } from './config.js';
import { addLora, type ActiveLora } from './lora.js';
import { gatedActivations, normHeads, rmsNorm, softcap, type RotaryTable } from './ops.js';
import { RotaryCache } from './rotary-cache.js';

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

export interface DecoderWeights {
  /** [vocabulary, hidden] */
  embedding: tf.Tensor2D;
  layers: LayerWeights[];
  finalNorm: tf.Tensor1D;
  /** [hidden, vocabulary]; absent where the embedding is tied. */
  head?: tf.Tensor2D;
}

export interface ForwardOptions {
  /** Rows that the batch may look back at. */
  past?: KvCache;
  /** Give past rows and the batch's own joined, too. */
  join?: boolean;
  lora?: ActiveLora;
  /** Run only the first `layers` layers. */
  layers?: number;
  /** Compute of the last layer only its keys and values (all that a cache needs). */
  cacheOnly?: boolean;
  /** Added to attention logits on rows of `past`, [batch, kvHeads or 1, rows]. */
  pastBias?: tf.Tensor3D | undefined;
  /** What ids from the vocabulary's size on stand for, unscaled, [extra, hidden]. */
  extraEmbeddings?: tf.Tensor2D;
  /** Added to the embeddings, [batch·tokens, hidden]. */
  embeddingOffset?: tf.Tensor2D;
  /**
   * Reduces the attention weights [batch, kvHeads, group, queries, keys] of the query tokens from `first` on to
   * what is wanted of them. Long batches come in several pieces, whose results are added up.
   */
  observeAttention?: (layer: number, weights: tf.Tensor5D, first: number) => tf.Tensor;
  /** What becomes of the pieces' results; they are added up unless given. */
  mergeObserved?: (parts: tf.Tensor[]) => tf.Tensor;
  /** Reduces queries and keys to what is wanted of them. */
  observeProjections?: (layer: number, projections: Projections) => tf.Tensor;
  /** Collect the residual stream before each layer and after the last, or after this many layers alone. */
  collectHidden?: boolean | number;
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

export interface ForwardResult {
  /** Residual stream after the last layer that ran, before the final norm, [batch·tokens, hidden]. */
  hidden: tf.Tensor2D;
  /** The new tokens' own keys and values, without `past`. */
  cache: KvCache;
  /** `past` followed by `cache`, where both were to be joined and no layer was left out. */
  joined?: KvCache;
  observed: tf.Tensor[];
  projected: tf.Tensor[];
  /** With `collectHidden` true: 0 = embeddings, i = after i layers; else the one asked for; [batch·tokens, hidden]. */
  hiddenStates: tf.Tensor2D[];
}

/** What query tokens may look at. */
interface Sight {
  /** Positions, [rows, tokens]. */
  queries: tf.Tensor2D;
  /** Positions of past rows and of the batch's own, [rows, heads or 1, keys]. */
  keys: tf.Tensor3D;
  window: number | undefined;
  /** The mask of all query tokens, where they attend at once. */
  mask?: tf.Tensor4D;
}

/** What one layer is given beside the residual stream. */
interface Pass {
  batch: number;
  tokens: number;
  rotary: RotaryTable;
  /** Of a layer that attends. */
  sight?: Sight;
  past?: { keys: tf.Tensor4D; values: tf.Tensor4D };
  join?: boolean | undefined;
  lora?: ActiveLora | undefined;
  observeAttention?: ForwardOptions['observeAttention'];
  mergeObserved?: ForwardOptions['mergeObserved'];
  observeProjections?: ForwardOptions['observeProjections'];
  /** Added to attention logits, [batch, kvHeads or 1, 1, keys]. */
  bias?: tf.Tensor4D | undefined;
  /** Query tokens that attend at once. */
  block: number;
}

/** What one layer leaves. (A type, so that tf.tidy takes it.) */
type LayerResult = {
  x: tf.Tensor2D;
  /** [batch, kvHeads, tokens, headDim] */
  keys: tf.Tensor4D;
  values: tf.Tensor4D;
  observed?: tf.Tensor;
  projected?: tf.Tensor;
  /** Past rows and the layer's own. */
  joined?: { keys: tf.Tensor4D; values: tf.Tensor4D };
};

/** Of `tensors` those that bear the names of `some`. */
function among<T extends object>(tensors: Readonly<Record<string, tf.Tensor>>, some: T): T {
  return Object.fromEntries(Object.keys(some).map((name) => [name, tensors[name]!])) as T;
}

export class Decoder {
  /** Most attention weights at once, 256 MB of them; longer batches attend in pieces of query tokens. */
  attentionBlock = 2 ** 26;
  /** Whether backward passes compute each layer a second time rather than keep its activations (engine/checkpointing). */
  checkpointLayers = false;
  /** Most logits that a training loss holds at once, 128 MB of them; it makes some eight matrices of that size. */
  logitBlock = 2 ** 25;
  private readonly rotary: RotaryCache;

  /** @param logitScale factor on the final hidden state; 1 but while pre-training (see training/pretrain). */
  constructor(
    readonly config: ModelConfig,
    readonly plan: DecoderPlan,
    readonly weights: DecoderWeights,
    readonly logitScale = 1,
  ) {
    this.rotary = new RotaryCache(config.rope, config.headDim);
  }

  /**
   * Runs `batch` behind `options.past`. Wrap in `tf.tidy`; nothing is kept.
   * @returns hidden states and the batch's own cache; logits come from `logits`.
   */
  forward(batch: TokenBatch, options: ForwardOptions = {}): ForwardResult {
    const { config, plan } = this;
    const { past, pastBias } = options;
    const count = options.layers ?? config.numLayers;
    const positions = positionIds(batch);
    const queries = tf.tensor2d(Float32Array.from(positions.ids), [positions.rows, batch.tokens]);
    const own = keyPositions(batch);
    const pastRows = past?.keys[0]?.shape[2] ?? 0;
    const block = Math.max(
      1,
      Math.floor(this.attentionBlock / (batch.batch * config.numHeads * (batch.tokens + pastRows))),
    );
    const pass = {
      batch: batch.batch,
      tokens: batch.tokens,
      rotary: this.rotary.table(positions.ids, positions.rows),
      lora: options.lora,
      join: options.join,
      observeAttention: options.observeAttention,
      mergeObserved: options.mergeObserved,
      observeProjections: options.observeProjections,
      ...(pastBias !== undefined && {
        bias: tf.expandDims(
          tf.pad(pastBias, [
            [0, 0],
            [0, 0],
            [0, batch.tokens],
          ]),
          2,
        ) as tf.Tensor4D,
      }),
      block,
    };
    const fused = this.attendsAtOnce(pass);
    const sights: { before: tf.Tensor3D | undefined; sight: Sight }[] = [];
    const sightOf = (layer: number): Sight => {
      const window = plan.window(layer);
      const before = past?.positions[layer];
      const known = sights.find((other) => other.before === before && other.sight.window === window);
      if (known !== undefined) return known.sight;
      const keys = before === undefined ? own : concatPositions(before, own);
      const sight: Sight = { queries, keys, window };
      if (!fused && block >= batch.tokens) sight.mask = this.mask(sight, 0, batch.tokens);
      sights.push({ before, sight });
      return sight;
    };

    let x = this.embed(batch.ids, options);
    const cache: KvCache = {
      keys: [],
      values: [],
      positions: Array.from({ length: count }, () => own),
      nextPositions: batch.starts.map((start, row) => start + batch.lengths[row]!),
    };
    const joined: KvCache = { ...cache, keys: [], values: [], positions: [] };
    const { collectHidden } = options;
    const hiddenStates: tf.Tensor2D[] = [];
    const observed: tf.Tensor[] = [];
    const projected: tf.Tensor[] = [];
    for (let layer = 0; layer < count; layer++) {
      if (collectHidden === true || collectHidden === layer) hiddenStates.push(x);
      const short = options.cacheOnly && layer === count - 1;
      const here: Pass = {
        ...pass,
        ...(past !== undefined && { past: { keys: past.keys[layer]!, values: past.values[layer]! } }),
        // Made here, since it serves other layers too: what a layer makes ends with it.
        ...(!short && { sight: sightOf(layer) }),
      };
      const before = x;
      const result = tf.tidy(() => {
        if (short) return this.cacheOnly(before, layer, here);
        const observing = options.observeAttention ?? options.observeProjections;
        const again = this.checkpointLayers && observing === undefined;
        return again ? this.checkpointed(before, layer, here) : this.layer(before, layer, here);
      });
      x = result.x;
      if (result.joined !== undefined) {
        joined.keys.push(result.joined.keys);
        joined.values.push(result.joined.values);
        joined.positions.push(sightOf(layer).keys);
      }
      cache.keys.push(result.keys);
      cache.values.push(result.values);
      if (result.observed !== undefined) observed.push(result.observed);
      if (result.projected !== undefined) projected.push(result.projected);
    }
    if (collectHidden === true || collectHidden === count) hiddenStates.push(x);
    return {
      hidden: x,
      cache,
      ...(joined.keys.length === count && { joined }),
      observed,
      projected,
      hiddenStates,
    };
  }

  /** Final norm of rows of the residual stream, [rows, hidden]. */
  finalHidden(hidden: tf.Tensor2D): tf.Tensor2D {
    return rmsNorm(hidden, this.weights.finalNorm, this.config.rmsNormEps);
  }

  /** Logits of rows of the residual stream: [rows, hidden] to [rows, vocabulary]. */
  logits(hidden: tf.Tensor2D): tf.Tensor2D {
    return this.project(this.finalHidden(hidden));
  }

  /** Logits of rows behind the final norm: [rows, hidden] to [rows, vocabulary]. */
  project(normed: tf.Tensor2D): tf.Tensor2D {
    const final = this.logitScale === 1 ? normed : tf.mul<tf.Tensor2D>(normed, this.logitScale);
    const { head, embedding } = this.weights;
    const logits =
      head === undefined
        ? tf.matMul<tf.Tensor2D>(final, embedding, false, true)
        : tf.matMul<tf.Tensor2D>(final, head);
    return softcap(logits, this.plan.logitSoftcap);
  }

  /** What `project` turns the gradient of its logits into: [rows, vocabulary] to [rows, hidden]. */
  projectGradient(logits: tf.Tensor2D, gradient: tf.Tensor2D): tf.Tensor2D {
    const { head, embedding } = this.weights;
    const cap = this.plan.logitSoftcap;
    const uncapped =
      cap === undefined ? gradient : tf.mul(gradient, tf.sub(1, tf.square(tf.div(logits, cap))));
    const final =
      head === undefined
        ? tf.matMul<tf.Tensor2D>(uncapped, embedding)
        : tf.matMul<tf.Tensor2D>(uncapped, head, false, true);
    return this.logitScale === 1 ? final : tf.mul(final, this.logitScale);
  }

  /** Embeddings of token ids, and of ids behind the vocabulary where they stand for something: [ids, hidden]. */
  private embed(given: Int32Array, { extraEmbeddings, embeddingOffset }: ForwardOptions): tf.Tensor2D {
    const { embedding } = this.weights;
    const { embeddingScale } = this.plan;
    const [size] = embedding.shape;
    const own = given.map((id) => Math.min(id, size - 1));
    let x = tf.gather(embedding, tf.tensor1d(own, 'int32')) as tf.Tensor2D;
    if (embeddingScale !== 1) x = tf.mul(x, embeddingScale);
    if (extraEmbeddings !== undefined) {
      const places = tf.tensor1d(
        given.map((id) => Math.max(0, id - size)),
        'int32',
      );
      const extra = tf.tensor2d(
        Float32Array.from(given, (id) => (id < size ? 0 : 1)),
        [given.length, 1],
      );
      x = tf.add(tf.mul(x, tf.sub(1, extra)), tf.mul(tf.gather(extraEmbeddings, places), extra));
    }
    return embeddingOffset === undefined ? x : tf.add(x, embeddingOffset);
  }

  /** Whether attention is one op, which leaves no weights to look at. */
  private attendsAtOnce({ bias, observeAttention }: Pick<Pass, 'bias' | 'observeAttention'>): boolean {
    return fusedAvailable() && bias === undefined && observeAttention === undefined;
  }

  /** Mask of `count` query tokens from `first` on: [rows, heads or 1, group·count, keys]. */
  private mask({ queries, keys, window }: Sight, first: number, count: number): tf.Tensor4D {
    const group = this.config.numHeads / this.config.numKvHeads;
    const mask = attentionMask(tf.slice(queries, [0, first], [-1, count]), keys, window);
    return group === 1 ? mask : tf.tile(mask, [1, 1, group, 1]);
  }

  /** `layer`, computed again in the backward pass; nobody observes its attention. */
  private checkpointed(x: tf.Tensor2D, layer: number, pass: Pass): LayerResult {
    const { rotary, sight, past, bias, lora, batch, tokens, block } = pass;
    const { queries, keys: positions, mask, window } = sight!;
    const weights = Object.values(this.weights.layers[layer]!) as tf.Tensor[];
    const pairs = Object.values(lora?.adapter.layers[layer] ?? {}).flatMap(({ a, b }) => [a, b]);
    const [next, keys, values] = checkpoint(
      (given) => {
        const again = this.layer(given.x as tf.Tensor2D, layer, {
          ...{ batch, tokens, block },
          rotary: { cos: given.cos!, signedSin: given.signedSin! },
          sight: {
            queries: given.queries as tf.Tensor2D,
            keys: given.positions as tf.Tensor3D,
            window,
            ...(mask && { mask: given.mask as tf.Tensor4D }),
          },
          ...(past && { past: { keys: given.keys as tf.Tensor4D, values: given.values as tf.Tensor4D } }),
          ...(bias && { bias: given.bias as tf.Tensor4D }),
          lora: lora && { ...lora, ...(lora.routing && { routing: among(given, lora.routing) }) },
        });
        return [again.x, again.keys, again.values];
      },
      {
        inputs: { x, ...past, ...(bias && { bias }), ...lora?.routing },
        constants: { ...rotary, queries, positions, ...(mask && { mask }) },
        variables: [...weights, ...pairs].filter((tensor) => tensor instanceof tf.Variable),
      },
    );
    return { x: next as tf.Tensor2D, keys: keys as tf.Tensor4D, values: values as tf.Tensor4D };
  }

  private layer(x: tf.Tensor2D, layer: number, pass: Pass): LayerResult {
    const { config, plan } = this;
    const weights = this.weights.layers[layer]!;
    const norm = (value: tf.Tensor2D, gain: tf.Tensor1D): tf.Tensor2D =>
      rmsNorm(value, gain, config.rmsNormEps);

    const attended = this.attention(norm(x, weights.inputNorm), layer, pass);
    let attention = attended.x;
    if (weights.postAttentionNorm) attention = norm(attention, weights.postAttentionNorm);
    const middle = tf.add<tf.Tensor2D>(x, attention);
    const gateUp = tf.matMul<tf.Tensor2D>(norm(middle, weights.mlpNorm), weights.gateUp);
    let mlp = tf.matMul<tf.Tensor2D>(gatedActivations[plan.activation](gateUp), weights.mlpDown);
    if (weights.postMlpNorm) mlp = norm(mlp, weights.postMlpNorm);
    return { ...attended, x: tf.add(middle, mlp) };
  }

  private attention(h: tf.Tensor2D, layer: number, pass: Pass): LayerResult {
    const { numHeads, numKvHeads, headDim, rmsNormEps } = this.config;
    const { batch, tokens, block, past, observeAttention } = pass;
    const sight = pass.sight!;
    const weights = this.weights.layers[layer]!;
    const group = numHeads / numKvHeads;

    let qkv = tf.matMul<tf.Tensor2D>(h, weights.qkv);
    if (weights.qkvBias) qkv = tf.add(qkv, weights.qkvBias);
    if (pass.lora) qkv = addLora(qkv, h, pass.lora, layer, ['q', 'k', 'v']);
    qkv = normHeads(qkv, weights, [numHeads, numKvHeads, numKvHeads], rmsNormEps);
    const counts = { heads: numHeads, kvHeads: numKvHeads };
    const { query, key, value } = splitHeads(qkv, batch, counts, pass.rotary);
    const projected = pass.observeProjections?.(layer, this.projections(qkv, query));

    const keys = past === undefined ? key : tf.concat([past.keys, key], 2);
    const values = past === undefined ? value : tf.concat([past.values, value], 2);
    if (this.attendsAtOnce(pass)) {
      const { attentionScale: scale, attentionSoftcap } = this.plan;
      const settings = { scale, softcap: attentionSoftcap, window: sight.window };
      const rows = fusedAttention(query, keys, values, sight.queries, sight.keys, settings);
      const x = this.attentionOutput(rows, layer, pass);
      const joined = past !== undefined && pass.join === true && { joined: { keys, values } };
      return { x, keys: key, values: value, ...joined, ...(projected !== undefined && { projected }) };
    }
    const whole = sight.mask;
    const attend = (first: number, count: number): tf.Tensor[] => {
      const some = count === tokens ? query : tf.slice(query, [0, 0, first, 0], [-1, -1, count, -1]);
      // Query heads that share a KV head are consecutive: their tokens become rows of one matrix.
      const grouped = tf.reshape(some, [batch, numKvHeads, group * count, headDim]);
      const scaled = tf.mul(grouped, this.plan.attentionScale);
      const scores = softcap(tf.matMul(scaled, keys, false, true), this.plan.attentionSoftcap);
      const masked = tf.add(scores, whole ?? this.mask(sight, first, count));
      const probabilities = tf.softmax(pass.bias === undefined ? masked : tf.add(masked, pass.bias));
      const mixed = tf.reshape(tf.matMul(probabilities, values), [batch, numHeads, count, headDim]);
      if (observeAttention === undefined) return [mixed];
      const shape = [batch, numKvHeads, group, count, keys.shape[2]] as [
        number,
        number,
        number,
        number,
        number,
      ];
      return [mixed, observeAttention(layer, tf.reshape(probabilities, shape), first)];
    };
    const parts =
      whole !== undefined
        ? [attend(0, tokens)]
        : Array.from({ length: Math.ceil(tokens / block) }, (_, i) =>
            tf.tidy(() => attend(i * block, Math.min(block, tokens - i * block))),
          );
    const mixed =
      parts.length === 1
        ? parts[0]![0]!
        : tf.concat(
            parts.map(([part]) => part!),
            2,
          );
    const rows = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [batch * tokens, numHeads * headDim]);
    return {
      x: this.attentionOutput(rows as tf.Tensor2D, layer, pass),
      keys: key,
      values: value,
      ...(observeAttention && {
        observed: (pass.mergeObserved ?? tf.addN)(parts.map(([, observed]) => observed!)),
      }),
      ...(projected !== undefined && { projected }),
    };
  }

  /** What observers of projections see: of [batch·tokens, (heads + 2·kvHeads)·headDim] before rotary embedding. */
  private projections(qkv: tf.Tensor2D, queries: tf.Tensor4D): Projections {
    const { numHeads, numKvHeads, headDim } = this.config;
    const [batch, , tokens] = queries.shape;
    const heads = tf.reshape(qkv, [batch, tokens, numHeads + 2 * numKvHeads, headDim]);
    const [rawQueries, rawKeys] = tf.split(heads, [numHeads, numKvHeads, numKvHeads], 2) as tf.Tensor4D[];
    return { rawQueries: rawQueries!, rawKeys: rawKeys!, queries };
  }

  /** The heads of every token, side by side, through the output projection. */
  private attentionOutput(rows: tf.Tensor2D, layer: number, { lora }: Pass): tf.Tensor2D {
    const weights = this.weights.layers[layer]!;
    let out = tf.matMul<tf.Tensor2D>(rows, weights.attentionOut);
    if (weights.attentionOutBias) out = tf.add(out, weights.attentionOutBias);
    return lora ? addLora(out, rows, lora, layer, ['o']) : out;
  }

  /** Keys and values of a last layer whose output nobody needs. */
  private cacheOnly(x: tf.Tensor2D, layer: number, pass: Pass): LayerResult {
    const { numHeads, numKvHeads, headDim, rmsNormEps } = this.config;
    const weights = this.weights.layers[layer]!;
    const h = rmsNorm(x, weights.inputNorm, rmsNormEps);
    const width = 2 * numKvHeads * headDim;
    const columns = tf.slice(weights.qkv, [0, numHeads * headDim], [-1, width]);
    let kv = tf.matMul<tf.Tensor2D>(h, columns);
    if (weights.qkvBias) kv = tf.add(kv, tf.slice(weights.qkvBias, numHeads * headDim, width));
    if (pass.lora) kv = addLora(kv, h, pass.lora, layer, ['k', 'v']);
    kv = normHeads(kv, weights, [0, numKvHeads, numKvHeads], rmsNormEps);
    const counts = { heads: 0, kvHeads: numKvHeads };
    const { key, value } = splitHeads(kv, pass.batch, counts, pass.rotary);
    return { x, keys: key, values: value };
  }

  /** Frees weights and tables. */
  dispose(): void {
    tf.dispose(this.weights as unknown as tf.TensorContainer);
    this.rotary.dispose();
  }
}
