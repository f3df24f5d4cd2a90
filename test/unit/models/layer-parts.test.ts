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

function trainedDecoder(family: string, random: Random): { model: Decoder; parameters: tf.Variable[] } {
  const config = parseModelConfig({ ...shape, model_type: family }, 'test');
  const plan = architectures.get(family).plan(config);
  const { weights, parameters } = initialWeights(config, plan, 3);
  shake(Object.values(parameters), 0.1, random);
  const { finalNorm: _, ...used } = parameters;
  return { model: new Decoder(config, plan, weights), parameters: Object.values(used) };
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

/** What a loss is made of, and how. */
interface Course {
  model: Decoder;
  /** Of the model, where they are learned. */
  parameters: tf.Variable[];
  lora: ActiveLora['adapter'];
  route: tf.Variable;
  /** Whether parts are one op each. */
  fuse: boolean;
}

/** A loss of some tokens of questions behind an adapted cache, and the gradients of adapter, routes and parameters. */
function outcome({ model, parameters, lora, route, fuse }: Course, slopes: tf.Tensor2D): tf.Tensor[] {
  const matrices = lora.layers.flatMap((layer) => Object.values(layer).flatMap(({ a, b }) => [a, b]));
  const variables = [...(matrices as tf.Variable[]).slice(0, -4), route, ...parameters];
  const wanted = tf.tensor1d([0, 2, 3, 7], 'int32');
  model.fuse = fuse;
  const { value, grads } = tf.variableGrads(() => {
    const column = tf.sigmoid(route) as tf.Tensor2D;
    const { cache } = model.forward(makeBatch(contexts), {
      lora: { adapter: lora, routing: { q: column, o: column } },
    });
    const behind = makeBatch(questions, { starts: cache.nextPositions });
    const { hidden } = model.forward(behind, { past: cache, wanted });
    const everywhere = model.forward(behind, { past: cache }).hidden;
    expectClose(hidden.dataSync(), tf.gather(everywhere, wanted).dataSync(), 1e-6);
    return tf.sum(tf.mul(hidden, slopes));
  }, variables);
  return [value, ...variables.map((variable) => grads[variable.name]!)];
}

describe.skipIf(!fusedAvailable())('the parts of a layer as one op each', () => {
  it.each(architectures.names())('give the same values and gradients: %s', (family) => {
    const random = new Random(`layer parts/${family}`);
    const { model: learned, parameters } = trainedDecoder(family, random);
    const frozen = frozenDecoder(learned);
    const lora = freshLora(learned.config, { lora_r: 5, lora_alpha: 4 }, random);
    shake(
      lora.layers.flatMap((layer) => Object.values(layer).flatMap(({ a, b }) => [a, b])) as tf.Variable[],
      0.1,
      random,
    );
    const route = tf.variable(tf.zeros([3 * 150, 1]));
    shake([route], 1, random);
    const slopes = tf.randomNormal<tf.Rank.R2>([4, 52], 0, 1, 'float32', 4);
    const given = { lora, route };
    const expected = outcome({ ...given, model: learned, parameters, fuse: false }, slopes);
    const all = outcome({ ...given, model: learned, parameters, fuse: true }, slopes);
    const adapted = outcome({ ...given, model: frozen, parameters: [], fuse: true }, slopes);
    const names = 1 + 2 * 10 + 1;
    expect(adapted.length).toBe(names);
    expect(all.length).toBe(names + parameters.length);
    adapted.forEach((tensor, i) => expectClose(tensor.dataSync(), expected[i]!.dataSync(), 5e-5));
    const anew = frozenDecoder(learned);
    anew.packed.limit = 0;
    const unpacked = outcome({ ...given, model: anew, parameters: [], fuse: true }, slopes);
    unpacked.forEach((tensor, i) => expect(tensor.dataSync()).toEqual(adapted[i]!.dataSync()));
    all.forEach((tensor, i) => {
      const reference = expected[i]!.dataSync();
      const most = Math.max(...reference.map(Math.abs));
      // The last layer's context queries adapt nothing that anybody sees.
      if (i >= names) expect(most).toBeGreaterThan(0);
      const scaled = [tensor.dataSync(), reference].map((values) =>
        values.map((value) => value / (most || 1)),
      );
      const { name = '' } = parameters[i - names] ?? {};
      expectClose(scaled[0]!, scaled[1]!, 5e-5, `number ${i} ${name}`);
    });

    const plain = (fuse: boolean): { logits: ArrayLike<number>; ops: number } => {
      let logits: ArrayLike<number> = [];
      const run = (): void => {
        frozen.fuse = fuse;
        logits = frozen.logits(frozen.forward(makeBatch(contexts)).hidden).dataSync();
      };
      return { ops: countKernels(run), logits };
    };
    const [apart, fused] = [false, true].map(plain);
    expectClose(fused!.logits, apart!.logits, 2e-5);
    expect(fused!.ops).toBeLessThan(apart!.ops);
  });
});
