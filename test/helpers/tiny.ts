/** A tiny random decoder and adapter, for properties that need no trained model. */
import * as tf from '@tensorflow/tfjs-core';
import { architectures } from '../../src/models/architectures/index.js';
import { parseModelConfig, type ModelConfig } from '../../src/models/config.js';
import type { LayerWeights } from '../../src/models/decoder-layer.js';
import { Decoder, type DecoderWeights } from '../../src/models/decoder.js';
import { freshAdapter, kvdTensors, type KvdAdapter } from '../../src/methods/kvd-adapter.js';
import type { Method } from '../../src/methods/method.js';
import type { Adapter } from '../../src/methods/trainable.js';
import { Random } from '../../src/engine/random.js';
import { initialWeights } from '../../src/training/initialise.js';

const shape = {
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 4,
  vocab_size: 40,
  tie_word_embeddings: true,
};

/** What families need besides; a family without a line gets what shows most of what it can do. */
const special: Record<string, object> = {
  llama: {},
  gemma2: {
    hidden_activation: 'gelu_pytorch_tanh',
    sliding_window: 6,
    query_pre_attn_scalar: 4,
    attn_logit_softcapping: 5,
    final_logit_softcapping: 3,
  },
};

const everything = {
  sliding_window: 6,
  use_sliding_window: true,
  max_window_layers: 1,
  attention_bias: true,
};

/** Overwrites variables with normal noise, so that no gradient is zero by construction. */
export function shake(variables: tf.Variable[], deviation: number, random: Random): void {
  for (const variable of variables) {
    const noise = Float32Array.from({ length: variable.size }, () => random.normal() * deviation);
    tf.tidy(() => variable.assign(tf.add(variable, tf.tensor(noise, variable.shape))));
  }
}

export function tinyConfig(family = 'llama'): ModelConfig {
  return parseModelConfig({ ...shape, model_type: family, ...(special[family] ?? everything) }, 'test');
}

/** The same decoder, its weights no variables, as they are when loaded: no gradient reaches them. */
export function frozenDecoder({ config, plan, weights }: Decoder): Decoder {
  const fixed = <T extends tf.Tensor>(tensor: T): T => tf.keep(tf.clone(tensor));
  const layers = weights.layers.map(
    (layer) =>
      Object.fromEntries(
        Object.entries(layer).map(([name, tensor]) => [name, fixed(tensor as tf.Tensor)]),
      ) as unknown as LayerWeights,
  );
  const { embedding, finalNorm } = weights;
  return new Decoder(config, plan, { embedding: fixed(embedding), layers, finalNorm: fixed(finalNorm) });
}

export function tinyDecoder(family = 'llama'): { model: Decoder; weights: DecoderWeights } {
  const config = tinyConfig(family);
  const plan = architectures.get(family).plan(config);
  const { weights, parameters } = initialWeights(config, plan, 3);
  shake(Object.values(parameters), 0.3, new Random('tiny decoder'));
  return { model: new Decoder(config, plan, weights), weights };
}

const sizes = { eta: 1, n_sink: 1, lora_r: 2, lora_alpha: 2, max_slots: 40 };

/** An adapter of whatever trained method, with noise in every matrix that training would change. */
export function tinyTrained(
  method: Method,
  model: Decoder,
  overrides: Record<string, unknown> = {},
): Adapter {
  const options = Object.fromEntries(Object.entries(sizes).filter(([name]) => name in method.options.shape));
  const trainable = method.trainable!;
  const adapter = trainable.fresh(model.config, { ...options, ...overrides }, 1);
  shake(Object.values(trainable.trained(adapter)), 0.3, new Random('tiny adapter'));
  return adapter;
}

export function tinyAdapter(model: Decoder, overrides: Partial<KvdAdapter['settings']> = {}): KvdAdapter {
  const settings = { eta: 1, n_sink: 1, decay: true, routing: true, ...overrides };
  const adapter = freshAdapter(
    model.config,
    settings,
    { lora_r: 2, lora_alpha: 2, scorer_bias: 0.5, score_spread: 1.5 },
    1,
  );
  shake(Object.values(kvdTensors(adapter)) as unknown as tf.Variable[], 0.3, new Random('tiny adapter'));
  return adapter;
}
