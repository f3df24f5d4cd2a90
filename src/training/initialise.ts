/** Fresh decoder weights for pre-training, by the recipe that learns to look facts up (docs/lab-log.md). */
import * as tf from '@tensorflow/tfjs-core';
import type { DecoderPlan } from '../models/architectures/architecture.js';
import type { ModelConfig } from '../models/config.js';
import type { DecoderWeights, LayerWeights } from '../models/decoder.js';
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
    const gain = (part: string, value: number): tf.Tensor1D => register(name(part), filled(width, value));
    const { postAttentionNorm, postMlpNorm } = plan.names;
    const queries = numHeads * headDim;
    return {
      inputNorm: gain('inputNorm', 1),
      qkv: matrix('qkv', width, queries + 2 * numKvHeads * headDim, width ** -0.5),
      attentionOut: matrix('attentionOut', queries, width, postAttentionNorm ? queries ** -0.5 : 0),
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
