/** One step of decoding in place: all layers in one op, where the engine has our kernels (`fusedAvailable`). */
import * as tf from '@tensorflow/tfjs-core';
import { fusedDecode, fusedGrow } from '../engine/fused.js';
import type { KvCache } from './cache.js';
import type { LayerWeights } from './decoder-layer.js';
import type { Decoder } from './decoder.js';
import { geluFlag } from './ops.js';

/** All that a layer has, in the order in which the op takes it. */
const weightOrder: Record<keyof LayerWeights, true> = {
  inputNorm: true,
  qkv: true,
  qkvBias: true,
  queryNorm: true,
  keyNorm: true,
  attentionOut: true,
  attentionOutBias: true,
  postAttentionNorm: true,
  mlpNorm: true,
  gateUp: true,
  mlpDown: true,
  postMlpNorm: true,
};
const weightNames = Object.keys(weightOrder) as (keyof LayerWeights)[];

/** A copy of `cache` with room for `more` rows behind those of each layer, all its own; wrap in `tf.tidy`. */
export function withRoom(cache: KvCache, more: number): KvCache {
  const { keys, values, nextPositions } = cache;
  const layers = keys.length;
  const [batch] = keys[0]!.shape;
  const together = nextPositions.every((position) => position === nextPositions[0]);
  const distinct = [...new Set(cache.positions)];
  const spread = distinct.map((own) =>
    together || own.shape[0] === batch ? own : tf.tile(own, [batch, 1, 1]),
  );
  const grown = fusedGrow([...keys, ...values, ...spread], more);
  const positions = grown.slice(2 * layers) as tf.Tensor3D[];
  return {
    keys: grown.slice(0, layers) as tf.Tensor4D[],
    values: grown.slice(layers, 2 * layers) as tf.Tensor4D[],
    positions: cache.positions.map((own) => positions[distinct.indexOf(own)]!),
    nextPositions: [...nextPositions],
  };
}

/**
 * Runs one token of each sequence behind the first `rows` rows of each layer of `cache`, and writes its keys, values and
 * positions into the row behind them.
 * @param cache made by `withRoom`, whose room is not used up
 * @returns likeliest next tokens [batch], and logits [batch, vocabulary]
 */
export function decodeStep(
  model: Decoder,
  cache: KvCache,
  rows: readonly number[],
  tokens: readonly number[],
): [tokens: tf.Tensor1D, logits: tf.Tensor2D] {
  const { config, plan, weights, logitScale } = model;
  const { cos, signedSin } = model.rotary.tables(Math.max(...cache.nextPositions) + 1);
  return tf.tidy(() => {
    const windows = rows.map((_, layer) => plan.window(layer) ?? 0);
    const step = tf.tensor1d([...rows, ...windows, ...tokens, ...cache.nextPositions]);
    const none = tf.tensor1d([]);
    return fusedDecode(
      [step, weights.embedding, weights.finalNorm, weights.head ?? none, cos, signedSin],
      [
        ...[cache.keys, cache.values, cache.positions],
        ...weightNames.map((name) => weights.layers.map((layer) => layer[name] ?? none)),
      ],
      {
        epsilon: config.rmsNormEps,
        scale: plan.attentionScale,
        softcap: plan.attentionSoftcap ?? 0,
        logit_softcap: plan.logitSoftcap ?? 0,
        embedding_scale: plan.embeddingScale,
        logit_scale: logitScale,
        gelu: geluFlag[plan.activation],
      },
    );
  });
}
