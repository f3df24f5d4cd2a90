/** A prompt through the model into its cache, and the likeliest token behind it. */
import * as tf from '@tensorflow/tfjs-core';
import { greedy } from '../../dist/models/generate.js';
import { randomDecoder, randomIds } from './model.mjs';

export function prepare(work, shape) {
  const { model } = randomDecoder(shape);
  const prompt = randomIds(work.tokens, shape.vocabulary, 'prompt');
  return { run: () => tf.tidy(() => greedy(model, undefined, [prompt], { maxNewTokens: 1, eosIds: [] })) };
}
