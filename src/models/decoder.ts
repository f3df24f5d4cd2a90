/** The decoder that every architecture shares: a plan (what differs) and weights (what was learned). */
import * as tf from '@tensorflow/tfjs-core';
import { fusedAvailable } from '../engine/fused.js';
import type { DecoderPlan } from './architectures/architecture.js';
import { sightMask, type Sight } from './attention.js';
import { flatRows, keyPositions, PAD_POSITION, positionIds, type TokenBatch } from './batch.js';
import { concatPositions, type KvCache } from './cache.js';
import type { ModelConfig } from './config.js';
import {
  attendsAtOnce,
  runCheckpointed,
  runForCache,
  runLayer,
  type LayerWeights,
  type Observers,
  type Pass,
} from './decoder-layer.js';
import type { ActiveLora } from './lora.js';
import { pickRows, product, rmsNorm, softcap } from './ops.js';
import { PackedMatrices } from './packed-matrices.js';
import { RotaryCache } from './rotary-cache.js';

export interface DecoderWeights {
  /** [vocabulary, hidden] */
  embedding: tf.Tensor2D;
  layers: LayerWeights[];
  finalNorm: tf.Tensor1D;
  /** [hidden, vocabulary]; absent where the embedding is tied. */
  head?: tf.Tensor2D;
}

export interface ForwardOptions extends Observers {
  /** Rows that the batch may look back at. */
  past?: KvCache;
  /** Give past rows and the batch's own joined, too. */
  join?: boolean;
  lora?: ActiveLora;
  /** Run only the first `layers` layers. */
  layers?: number;
  /** Rows of the flattened batch whose output alone is wanted, int32 [wanted]; not with `lora` or `cacheOnly`. */
  wanted?: tf.Tensor1D;
  /** Compute of the last layer only its keys and values (all that a cache needs), and what observers look at. */
  cacheOnly?: boolean;
  /**
   * With `cacheOnly`: tokens of each sequence, whose keys and values alone the last layer's cache is to hold. The layer
   * before then computes no other token's output.
   */
  lastTokens?: readonly (readonly number[])[] | undefined;
  /** Added to attention logits on rows of `past`, [batch, kvHeads or 1, rows]. */
  pastBias?: tf.Tensor3D | undefined;
  /** What ids from the vocabulary's size on stand for, unscaled, [extra, hidden]. */
  extraEmbeddings?: tf.Tensor2D;
  /** Added to the embeddings, [batch·tokens, hidden]. */
  embeddingOffset?: tf.Tensor2D;
  /** Collect the residual stream before each layer and after the last, or after this many layers alone. */
  collectHidden?: boolean | number;
}

export interface ForwardResult {
  /** Residual stream after the last layer that attended, before the final norm, [batch·tokens or wanted, hidden]. */
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

/** A decoder-only transformer of any of the architectures. */
export class Decoder {
  /** Most attention weights at once, 256 MB of them; longer batches attend in pieces of query tokens. */
  attentionBlock = 2 ** 26;
  /** Whether backward passes compute each layer a second time rather than keep its activations (engine/checkpointing). */
  checkpointLayers = false;
  /** Whether the parts of a layer around its attention are one op each where the engine has them. */
  fuse = true;
  /** Most logits that a training loss holds at once, 128 MB of them; it makes some eight matrices of that size. */
  logitBlock = 2 ** 25;
  readonly rotary: RotaryCache;
  readonly packed = new PackedMatrices();

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
    const { past, pastBias, lastTokens } = options;
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
      cacheOnly: options.cacheOnly,
      observers: options,
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
      fuse: this.fuse && fusedAvailable(),
    };
    const last = lastTokens && this.narrow(batch, positions, lastTokens);
    const wanted = last?.wanted ?? options.wanted;
    const attending = options.cacheOnly ? count - 2 : count - 1;
    const fused = attendsAtOnce(pass);
    const group = config.numHeads / config.numKvHeads;
    const sights: { before: tf.Tensor3D | undefined; sight: Sight }[] = [];
    const sightOf = (layer: number): Sight => {
      const window = plan.window(layer);
      const before = past?.positions[layer];
      const known = sights.find((other) => other.before === before && other.sight.window === window);
      if (known !== undefined) return known.sight;
      const keys = before === undefined ? own : concatPositions(before, own);
      const sight: Sight = { queries, keys, window };
      if (!fused && block >= batch.tokens) sight.mask = sightMask(sight, group, 0, batch.tokens);
      sights.push({ before, sight });
      return sight;
    };

    const observing = options.observeAttention ?? options.observeProjections;
    // What is joined is decoded behind: no backward pass follows.
    const again = this.checkpointLayers && observing === undefined && options.join !== true;
    let x = this.embed(batch.ids, options);
    const constant =
      !(this.weights.embedding instanceof tf.Variable) &&
      options.extraEmbeddings === undefined &&
      options.embeddingOffset === undefined &&
      !again;
    const cache: KvCache = {
      keys: [],
      values: [],
      positions: Array.from({ length: count }, (_, layer) => (layer < count - 1 ? own : (last?.keys ?? own))),
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
        ...((!short || observing !== undefined) && { sight: sightOf(layer) }),
        ...(short && last?.pass),
        ...(layer === attending && { wanted }),
        constant: layer === 0 && constant,
      };
      const own = { index: layer, config, plan, weights: this.weights.layers[layer]!, packed: this.packed };
      const run = short ? runForCache : again ? runCheckpointed : runLayer;
      const before = short && last !== undefined && attending < 0 ? pickRows(x, last.wanted) : x;
      const result = tf.tidy(() => run(own, before, here));
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

  /** What a pass over chosen tokens of each sequence is given, and where they stand as keys. */
  private narrow(
    batch: TokenBatch,
    positions: { rows: number; ids: Int32Array },
    chosen: readonly (readonly number[])[],
  ): { wanted: tf.Tensor1D; keys: tf.Tensor3D; pass: Pick<Pass, 'tokens' | 'rotary'> } {
    const rows = flatRows(chosen, batch.tokens);
    const width = rows.length / batch.batch;
    const ids = rows.map((row) => positions.ids[row % positions.ids.length]!);
    const keys = Float32Array.from(ids, (id, i) =>
      i % width < chosen[Math.floor(i / width)]!.length ? id : PAD_POSITION,
    );
    return {
      wanted: tf.tensor1d(rows, 'int32'),
      keys: tf.tensor3d(keys, [batch.batch, 1, width]),
      pass: { tokens: width, rotary: this.rotary.table(ids, batch.batch) },
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
      head === undefined ? product(final, embedding, { transposed: true }) : product(final, head);
    return softcap(logits, this.plan.logitSoftcap);
  }

  /** What `project` turns the gradient of its logits into: [rows, vocabulary] to [rows, hidden]. */
  projectGradient(logits: tf.Tensor2D, gradient: tf.Tensor2D): tf.Tensor2D {
    const { head, embedding } = this.weights;
    const cap = this.plan.logitSoftcap;
    const uncapped =
      cap === undefined ? gradient : tf.mul<tf.Tensor2D>(gradient, tf.sub(1, tf.square(tf.div(logits, cap))));
    const final =
      head === undefined ? product(uncapped, embedding) : product(uncapped, head, { transposed: true });
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

  /** Frees weights and tables. */
  dispose(): void {
    tf.dispose(this.weights as unknown as tf.TensorContainer);
    this.rotary.dispose();
    this.packed.dispose();
  }
}
