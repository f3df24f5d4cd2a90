/** A decoder of random weights, and random token ids. */
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../../dist/engine/random.js';
import { architectures } from '../../dist/models/architectures/index.js';
import { parseModelConfig } from '../../dist/models/config.js';
import { Decoder } from '../../dist/models/decoder.js';
import { initialWeights } from '../../dist/training/initialise.js';

/** config.json of a shape. */
export function configOf(shape) {
  return {
    model_type: 'llama',
    hidden_size: shape.hidden,
    intermediate_size: shape.ffn,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads,
    head_dim: shape.headDim,
    vocab_size: shape.vocabulary,
    max_position_embeddings: 16384,
    tie_word_embeddings: true,
  };
}

/** The decoder, and its weights as variables by name. */
export function randomDecoder(shape) {
  const config = parseModelConfig(configOf(shape), 'bench');
  const plan = architectures.get('llama').plan(config);
  const { weights, parameters } = initialWeights(config, plan, 1);
  return { model: new Decoder(config, plan, weights), parameters };
}

/** A decoder whose weights are no variables, as one is that was loaded. */
export function frozenDecoder(shape) {
  const { config, plan, weights } = randomDecoder(shape).model;
  const fixed = (tensor) => tf.keep(tf.clone(tensor));
  const layers = weights.layers.map((layer) =>
    Object.fromEntries(Object.entries(layer).map(([name, tensor]) => [name, fixed(tensor)])),
  );
  const { embedding, finalNorm } = weights;
  return new Decoder(config, plan, { embedding: fixed(embedding), layers, finalNorm: fixed(finalNorm) });
}

export function randomIds(count, vocabulary, seed) {
  const random = new Random(`bench/${seed}`);
  return Array.from({ length: count }, () => random.int(vocabulary));
}
