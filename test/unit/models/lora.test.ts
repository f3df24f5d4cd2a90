import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, it } from 'vitest';
import { startEngine } from '../../../src/engine/index.js';
import { loadLora, peftName } from '../../../src/methods/peft.js';
import { makeBatch } from '../../../src/models/batch.js';
import { loadDecoder } from '../../../src/models/checkpoint.js';
import { loraTargets, type ActiveLora, type LoraAdapter } from '../../../src/models/lora.js';
import { openSafetensors } from '../../../src/models/safetensors.js';
import { crossEntropy } from '../../../src/training/losses.js';
import { expectClose } from '../../helpers/closeness.js';
import { golden } from '../../helpers/golden.js';

beforeAll(() => startEngine());

function setUp() {
  const model = loadDecoder(golden('llama8'));
  const adapter = loadLora(golden('llama8-lora'), model.config);
  const reference = openSafetensors(`${golden('llama8-lora')}/reference.safetensors`);
  const flat = reference.readInt('input_ids').data;
  const sequences = [Array.from(flat.subarray(0, 48)), Array.from(flat.subarray(48))];
  return { model, adapter, reference, sequences };
}

describe('rsLoRA against PEFT 0.21', () => {
  it.each(['', 'conditional.'])('logits and caches agree (%s)', (prefix) => {
    const { model, adapter, reference, sequences } = setUp();
    tf.tidy(() => {
      const lora: ActiveLora = { adapter };
      if (prefix !== '') {
        const mask = reference.has('conditional.mask') ? maskOf(reference) : [];
        const column = tf.tensor2d(mask, [mask.length, 1]);
        lora.routing = { q: column, k: column, v: column, o: column };
      }
      const { hidden, cache } = model.forward(makeBatch(sequences), { lora });
      const name = prefix === '' ? 'logits_adapter' : 'conditional.logits';
      expectClose(model.logits(hidden).dataSync(), reference.readFloat(name).data);
      cache.keys.forEach((keys, layer) =>
        expectClose(keys.dataSync(), reference.readFloat(`${prefix}keys.${layer}`).data),
      );
      cache.values.forEach((values, layer) =>
        expectClose(values.dataSync(), reference.readFloat(`${prefix}values.${layer}`).data),
      );
    });
    reference.close();
    model.dispose();
  });

  it('gradients of cross entropy agree for every matrix', () => {
    const { model, adapter, reference, sequences } = setUp();
    const layers = adapter.layers.map((layer) =>
      Object.fromEntries(
        loraTargets.map((target) => [
          target,
          { a: tf.variable(layer[target].a), b: tf.variable(layer[target].b) },
        ]),
      ),
    );
    const lora = { adapter: { ...adapter, layers: layers as unknown as LoraAdapter['layers'] } };
    const variables = layers.flatMap((layer) => Object.values(layer).flatMap(({ a, b }) => [a, b]));
    const batch = makeBatch(sequences);
    const labels = sequences.flatMap((sequence) => [...sequence.slice(1), 0]);
    const weights = sequences.flatMap((sequence) =>
      sequence.map((_, t) => (t + 1 < sequence.length ? 1 : 0)),
    );
    const { value, grads } = tf.variableGrads(
      () =>
        crossEntropy(
          model.logits(model.forward(batch, { lora }).hidden),
          tf.tensor1d(labels, 'int32'),
          tf.tensor1d(weights),
        ),
      variables,
    );
    expectClose(value.dataSync(), reference.readFloat('ce_loss').data);
    layers.forEach((layer, index) => {
      for (const target of loraTargets) {
        for (const half of ['A', 'B'] as const) {
          const name = peftName(index, `${target}_proj`, half).replace('base_model.model.', '');
          const ours = tf.transpose(grads[layer[target]![half === 'A' ? 'a' : 'b'].name]!);
          expectClose(ours.dataSync(), reference.readFloat(`ce_grad.${name}`).data);
        }
      }
    });
    reference.close();
  });
});

function maskOf(reference: ReturnType<typeof openSafetensors>): number[] {
  const { dtype } = reference.info('conditional.mask');
  const source =
    dtype.startsWith('F') || dtype === 'BF16'
      ? reference.readFloat('conditional.mask')
      : reference.readInt('conditional.mask');
  return Array.from(source.data);
}
