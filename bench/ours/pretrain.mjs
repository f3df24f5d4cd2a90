/** A step of pre-training: cross entropy at every token, gradients of all weights, AdamW. */
import * as tf from '@tensorflow/tfjs-core';
import { makeBatch } from '../../dist/models/batch.js';
import { AdamW, clipCoefficient } from '../../dist/training/adamw.js';
import { crossEntropy } from '../../dist/training/losses.js';
import { randomDecoder, randomIds } from './model.mjs';

export function prepare(work, shape) {
  const { model, parameters } = randomDecoder(shape);
  const options = { adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, weight_decay: 0.01 };
  const optimiser = new AdamW(parameters, options);
  const sequences = Array.from({ length: work.batch }, (_, i) => randomIds(work.tokens, shape.vocabulary, i));
  const labels = tf.tensor1d(randomIds(work.batch * work.tokens, shape.vocabulary, 'labels'), 'int32');
  const weights = tf.ones([work.batch * work.tokens]);
  const names = Object.entries(parameters);
  const run = () => {
    const { value, grads } = tf.tidy(() =>
      tf.variableGrads(
        () => crossEntropy(model.logits(model.forward(makeBatch(sequences)).hidden), labels, weights),
        Object.values(parameters),
      ),
    );
    const byName = Object.fromEntries(names.map(([name, variable]) => [name, grads[variable.name]]));
    const { coefficient } = clipCoefficient(byName, 1);
    optimiser.update(byName, 1e-4, coefficient);
    value.dataSync();
    tf.dispose([value, ...Object.values(grads)]);
  };
  return { run };
}
