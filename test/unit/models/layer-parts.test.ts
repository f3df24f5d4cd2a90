/** A layer's parts as one op each against the several ops that they stand for, over several blocks of rows. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { fusedAvailable } from '../../../src/engine/fused.js';
import { startEngine } from '../../../src/engine/index.js';
import { Random } from '../../../src/engine/random.js';
import { freshLora } from '../../../src/methods/lora-adapter.js';
import { architectures } from '../../../src/models/architectures/index.js';
import { makeBatch } from '../../../src/models/batch.js';
import { parseModelConfig } from '../../../src/models/config.js';
import { Decoder } from '../../../src/models/decoder.js';
import type { ActiveLora } from '../../../src/models/lora.js';
import { initialWeights } from '../../../src/training/initialise.js';
import { expectClose } from '../../helpers/closeness.js';
import { frozenDecoder, shake } from '../../helpers/tiny.js';

await startEngine();

/** No width is a multiple of a vector's. */
const shape = {
  hidden_size: 52,
  intermediate_size: 70,
  num_hidden_layers: 3,
  num_attention_heads: 3,
  num_key_value_heads: 1,
  head_dim: 6,
  vocab_size: 40,
  tie_word_embeddings: true,
  attention_bias: true,
};

const contexts = Array.from({ length: 3 }, (_, row) =>
  Array.from({ length: 150 - row }, (_, t) => 1 + ((7 * t + 3 * row) % 39)),
);
const questions = contexts.map((_, row) => [3, 10 + row, 4]);

function trainedDecoder(family: string, random: Random): Decoder {
  const config = parseModelConfig({ ...shape, model_type: family }, 'test');
  const plan = architectures.get(family).plan(config);
  const { weights, parameters } = initialWeights(config, plan, 3);
  shake(Object.values(parameters), 0.1, random);
  return new Decoder(config, plan, weights);
}

/** How many kernels of tfjs-core's `f` runs. */
function countKernels(f: () => void): number {
  const { state } = tf.engine();
  const before = state.activeProfile;
  state.profiling = true;
  state.activeProfile = { ...before, kernels: [] };
  try {
    tf.tidy(f);
    return state.activeProfile.kernels.length;
  } finally {
    state.profiling = false;
    state.activeProfile = before;
  }
}

/** A loss of questions behind an adapted cache, its value and the gradients of adapter and routes. */
function outcome(
  model: Decoder,
  lora: ActiveLora['adapter'],
  route: tf.Variable,
  slopes: tf.Tensor2D,
): tf.Tensor[] {
  const matrices = lora.layers.flatMap((layer) => Object.values(layer).flatMap(({ a, b }) => [a, b]));
  const variables = (matrices as tf.Variable[]).slice(0, -4);
  const { value, grads } = tf.variableGrads(() => {
    const column = tf.sigmoid(route) as tf.Tensor2D;
    const { cache } = model.forward(makeBatch(contexts), {
      lora: { adapter: lora, routing: { q: column, o: column } },
    });
    const { hidden } = model.forward(makeBatch(questions, { starts: cache.nextPositions }), {
      past: cache,
    });
    return tf.sum(tf.mul(hidden, slopes));
  }, [...variables, route]);
  return [value, ...[...variables, route].map((variable) => grads[variable.name]!)];
}

describe.skipIf(!fusedAvailable())('the parts of a layer as one op each', () => {
  it.each(architectures.names())('give the same values and gradients: %s', (family) => {
    const random = new Random(`layer parts/${family}`);
    const several = trainedDecoder(family, random);
    const one = frozenDecoder(several);
    const lora = freshLora(several.config, { lora_r: 5, lora_alpha: 4 }, random);
    shake(
      lora.layers.flatMap((layer) => Object.values(layer).flatMap(({ a, b }) => [a, b])) as tf.Variable[],
      0.1,
      random,
    );
    const route = tf.variable(tf.zeros([3 * 150, 1]));
    shake([route], 1, random);
    const slopes = tf.randomNormal<tf.Rank.R2>([9, 52], 0, 1, 'float32', 4);
    const [expected, found] = [several, one].map((model) => outcome(model, lora, route, slopes));
    expect(expected!.length).toBe(1 + 2 * 10 + 1);
    expected!.forEach((tensor, i) => expectClose(found![i]!.dataSync(), tensor.dataSync(), 5e-5));

    const plain = (model: Decoder): { logits: ArrayLike<number>; ops: number } => {
      let logits: ArrayLike<number> = [];
      const run = (): void => {
        logits = model.logits(model.forward(makeBatch(contexts), { training: true }).hidden).dataSync();
      };
      return { ops: countKernels(run), logits };
    };
    const [apart, fused] = [several, one].map(plain);
    expectClose(fused!.logits, apart!.logits, 2e-5);
    expect(fused!.ops).toBeLessThan(apart!.ops);
  });
});
