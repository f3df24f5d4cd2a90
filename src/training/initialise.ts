/** Fresh decoder weights for pre-training, by the recipe that learns to look facts up (docs/lab-log.md). */
import * as tf from '@tensorflow/tfjs-core';
import type { DecoderPlan } from '../models/architectures/architecture.js';
import type { ModelConfig } from '../models/config.js';
import type { Decoder, DecoderWeights } from '../models/decoder.js';
import type { LayerWeights } from '../models/decoder-layer.js';
import type { Tokenizer } from '../models/tokenizer.js';
import { UserError } from '../base/errors.js';
import { Random } from '../engine/random.js';
import type { NamedVariables } from './adamw.js';

function normal(shape: number[], deviation: number, random: Random): tf.Variable {
  const data = Float32Array.from(
    { length: shape.reduce((a, b) => a * b, 1) },
    () => random.normal() * deviation,
  );
  return tf.tidy(() => tf.variable(tf.tensor(data, shape)));
}

function filled(size: number, value: number): tf.Variable {
  return tf.tidy(() => tf.variable(tf.fill([size], value)));
}

/**
 * Embeddings of unit scale plus one shared offset vector; every branch starts at zero, through its
 * output projection or, where there is one, through the norm behind it.
 */
export function initialWeights(
  config: ModelConfig,
  plan: DecoderPlan,
  seed: number,
): { weights: DecoderWeights; parameters: NamedVariables } {
  const random = new Random(`initial/${seed}`);
  const { hiddenSize: width, intermediateSize, numHeads, numKvHeads, headDim, vocabSize } = config;
  const parameters: NamedVariables = {};
  const register = <T extends tf.Tensor>(name: string, variable: tf.Variable): T => {
    parameters[name] = variable;
    return variable as unknown as T;
  };

  const unit = normal([vocabSize, width], 1, random);
  const embedding = tf.tidy(() => {
    const shared = tf.tensor1d(Float32Array.from({ length: width }, () => random.normal()));
    return tf.variable(tf.div(tf.add(unit, shared), plan.embeddingScale));
  });
  unit.dispose();

  const layers = Array.from({ length: config.numLayers }, (_, index): LayerWeights => {
    const name = (part: string): string => `layers.${index}.${part}`;
    const matrix = (part: string, rows: number, columns: number, deviation: number): tf.Tensor2D =>
      register(name(part), normal([rows, columns], deviation, random));
    const gain = (part: string, value: number, size = width): tf.Tensor1D =>
      register(name(part), filled(size, value));
    const { qkvBias, queryNorm, keyNorm, attentionOutBias, postAttentionNorm, postMlpNorm } = plan.names;
    const queries = numHeads * headDim;
    return {
      inputNorm: gain('inputNorm', 1),
      qkv: matrix('qkv', width, queries + 2 * numKvHeads * headDim, width ** -0.5),
      ...(qkvBias && { qkvBias: gain('qkvBias', 0, queries + 2 * numKvHeads * headDim) }),
      ...(queryNorm && { queryNorm: gain('queryNorm', 1, headDim) }),
      ...(keyNorm && { keyNorm: gain('keyNorm', 1, headDim) }),
      attentionOut: matrix('attentionOut', queries, width, postAttentionNorm ? queries ** -0.5 : 0),
      ...(attentionOutBias && { attentionOutBias: gain('attentionOutBias', 0) }),
      ...(postAttentionNorm && { postAttentionNorm: gain('postAttentionNorm', 0) }),
      mlpNorm: gain('mlpNorm', 1),
      gateUp: matrix('gateUp', width, 2 * intermediateSize, width ** -0.5),
      mlpDown: matrix('mlpDown', intermediateSize, width, postMlpNorm ? intermediateSize ** -0.5 : 0),
      ...(postMlpNorm && { postMlpNorm: gain('postMlpNorm', 0) }),
    };
  });
  const weights: DecoderWeights = {
    embedding: register('embedding', embedding),
    layers,
    finalNorm: register('finalNorm', filled(width, 1)),
  };
  return { weights, parameters };
}

/**
 * Sets fresh `parameters` to the weights of `model`; the embeddings of tokens that it does not know stay fresh.
 * @param vocabulary the new model's tokens in the order of their ids
 */
export function startFrom(
  model: Decoder,
  tokenizer: Tokenizer,
  parameters: NamedVariables,
  vocabulary: readonly string[],
): void {
  const set = (name: string, value: tf.Tensor): void => {
    const parameter = parameters[name];
    if (parameter?.shape.join() !== value.shape.join()) {
      throw new UserError(
        'wrong-shape',
        `${name} is [${value.shape}], the new model wants [${parameter?.shape}]`,
        {
          where: 'model.init_from',
          hint: 'Both models must have the same shape; their vocabularies may differ.',
        },
      );
    }
    parameter.assign(value);
  };
  tf.tidy(() => {
    const fresh = parameters.embedding!;
    const known = model.weights.embedding.shape[0];
    const rows = Array.from({ length: fresh.shape[0]! }, (_, id) => {
      const old = vocabulary[id] === undefined ? undefined : tokenizer.tokenToId(vocabulary[id]);
      return old ?? known + id;
    });
    const both = tf.concat([model.weights.embedding, fresh as unknown as tf.Tensor2D]);
    set('embedding', tf.gather(both, tf.tensor1d(rows, 'int32')));
    set('finalNorm', model.weights.finalNorm);
    model.weights.layers.forEach((layer, index) => {
      for (const [part, value] of Object.entries(layer)) set(`layers.${index}.${part}`, value as tf.Tensor);
    });
  });
}
