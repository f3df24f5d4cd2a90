/** Decoders whose weights were never trained: for sizes and speeds, not for what they say. */
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../engine/random.js';
import { withoutNumbers } from '../engine/shapes.js';
import { architectures } from './architectures/index.js';
import { decoderFrom } from './checkpoint.js';
import type { ModelConfig } from './config.js';
import type { Decoder } from './decoder.js';

/** A decoder of this configuration: matrices of normal noise (of nothing on the engine of shapes), gains of 1. */
export function randomDecoder(config: ModelConfig, seed: number): Decoder {
  const plan = architectures.get(config.architecture).plan(config);
  const random = new Random(`decoder/${seed}`);
  const noise = (rows: number, columns: number, deviation: number): tf.Tensor2D => {
    if (withoutNumbers()) return tf.fill([rows, columns], 0);
    const data = Float32Array.from({ length: rows * columns }, () => random.normal() * deviation);
    return tf.tensor2d(data, [rows, columns]);
  };
  const sum = (sizes: readonly number[]): number => sizes.reduce((a, b) => a + b, 0);
  return decoderFrom(config, plan, {
    vector: (_name, size) => tf.ones([size]),
    vectors: (_names, sizes) => tf.zeros([sum(sizes)]),
    matrix: (_name, rows, columns) => noise(rows, columns, 0.02),
    stacked: (_names, rows, columns) => noise(columns, sum(rows), columns ** -0.5),
  });
}

/** The configuration with few narrow heads; depth, windows, sharing of KV heads and all else stay. */
export function narrow(config: ModelConfig, vocabSize: number): ModelConfig {
  const headDim = 8;
  const numKvHeads = Math.min(2, config.numKvHeads);
  const numHeads = (config.numHeads / config.numKvHeads) * numKvHeads;
  const hiddenSize = headDim * numHeads;
  const widths = { headDim, numKvHeads, numHeads, hiddenSize, intermediateSize: 2 * hiddenSize };
  return { ...config, ...widths, vocabSize, eosTokenIds: [] };
}
