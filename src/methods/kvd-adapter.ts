/** What KV-Distill trains: a scorer of rows and rsLoRA on the attention projections. */
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../engine/random.js';
import { loraTargets, type LoraAdapter, type LoraPair, type LoraTarget } from '../models/lora.js';
import type { ModelConfig } from '../models/config.js';

/** `s = relu(h W1) W2`, one score a token (section 3.1; the FFN's shape and the scores' scale are ours). */
export interface Scorer {
  /** [hidden, hidden] */
  hidden: tf.Tensor2D;
  /** [hidden, 1] */
  output: tf.Tensor2D;
  /** Constant: where it is high, rows start out undecayed, since σ(2) = 0.88. */
  bias: number;
  /** Standard deviation of the scores within a context; null leaves them as they come. */
  spread: number | null;
}

/** What an adapter must be used with, as trained. */
export interface KvdSettings {
  /** Layers of the frozen model below the scorer. */
  eta: number;
  n_sink: number;
  /** Whether keys of kept rows are scaled by σ(score). */
  decay: boolean;
  /** Whether Q and O adapters apply to selected tokens only. */
  routing: boolean;
}

export interface KvdAdapter {
  lora: LoraAdapter;
  scorer: Scorer;
  settings: KvdSettings;
}

/** Inputs and outputs of the four adapted projections, [in, out]. */
export function loraShapes(config: ModelConfig): Record<LoraTarget, [number, number]> {
  const { hiddenSize, numHeads, numKvHeads, headDim } = config;
  return {
    q: [hiddenSize, numHeads * headDim],
    k: [hiddenSize, numKvHeads * headDim],
    v: [hiddenSize, numKvHeads * headDim],
    o: [numHeads * headDim, hiddenSize],
  };
}

/** The trainable matrices by name; an adapter made of variables can be trained in place. */
export function adapterMatrices(adapter: KvdAdapter): Record<string, tf.Tensor2D> {
  const named: Record<string, tf.Tensor2D> = {
    'scorer.hidden': adapter.scorer.hidden,
    'scorer.output': adapter.scorer.output,
  };
  adapter.lora.layers.forEach((layer, index) => {
    for (const target of loraTargets) {
      named[`layers.${index}.${target}.a`] = layer[target].a;
      named[`layers.${index}.${target}.b`] = layer[target].b;
    }
  });
  return named;
}

/** A fresh adapter of variables: B is zero, so that encoding starts as the frozen model's. */
export function freshAdapter(
  config: ModelConfig,
  settings: KvdSettings,
  options: { lora_r: number; lora_alpha: number; scorer_bias: number; score_spread: number | null },
  seed: number,
): KvdAdapter {
  const random = new Random(`adapter/${seed}`);
  const normal = (rows: number, columns: number, deviation: number): tf.Tensor2D => {
    const data = Float32Array.from({ length: rows * columns }, () => random.normal() * deviation);
    return tf.tidy(() => tf.variable(tf.tensor2d(data, [rows, columns]))) as unknown as tf.Tensor2D;
  };
  const shapes = loraShapes(config);
  const width = config.hiddenSize;
  const pair = (target: LoraTarget): LoraPair => {
    const [rows, columns] = shapes[target];
    return {
      a: normal(rows, options.lora_r, rows ** -0.5),
      b: normal(options.lora_r, columns, 0),
    };
  };
  return {
    lora: {
      rank: options.lora_r,
      alpha: options.lora_alpha,
      layers: Array.from({ length: config.numLayers }, () => ({
        q: pair('q'),
        k: pair('k'),
        v: pair('v'),
        o: pair('o'),
      })),
    },
    scorer: {
      hidden: normal(width, width, width ** -0.5),
      output: normal(width, 1, width ** -0.5),
      bias: options.scorer_bias,
      spread: options.score_spread,
    },
    settings,
  };
}

export function disposeAdapter(adapter: KvdAdapter): void {
  tf.dispose(Object.values(adapterMatrices(adapter)));
}
