import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keptRows } from '../../../src/base/rounding.js';
import { startEngine } from '../../../src/engine/index.js';
import type { KvdAdapter } from '../../../src/methods/kvd-adapter.js';
import { encodeContext, kvd } from '../../../src/methods/kvd.js';
import { makeBatch } from '../../../src/models/batch.js';
import { loadDecoder } from '../../../src/models/checkpoint.js';
import type { Decoder } from '../../../src/models/decoder.js';
import { openSafetensors } from '../../../src/models/safetensors.js';
import { referenceAdapter } from '../../../src/workflows/verify.js';
import { expectClose } from '../../helpers/closeness.js';
import { golden } from '../../helpers/golden.js';

const reference = openSafetensors(`${golden('kvd')}/reference.safetensors`);
const lengths = Array.from(reference.readInt('context_lengths').data);
const rowsOf = (name: string): number[][] => {
  const { data, shape } = reference.readInt(name);
  return Array.from({ length: shape[0]! }, (_, row) =>
    Array.from(data.subarray(row * shape[1]!, (row + 1) * shape[1]!)),
  );
};
const contexts = rowsOf('context_ids').map((row, i) => row.slice(0, lengths[i]));
const questions = rowsOf('question_ids').map((row) => row.slice(0, -1));

let model: Decoder;
let adapter: KvdAdapter;

beforeAll(async () => {
  await startEngine();
  model = loadDecoder(golden('kvd'));
  adapter = referenceAdapter(golden('kvd'), model, reference);
});
afterAll(() => reference.close());

describe('a KV-Distill cache against a second implementation', () => {
  it('holds the same decayed keys and values in every selected row', () => {
    tf.tidy(() => {
      const batch = makeBatch(contexts, { tokens: reference.info('context_ids').shape[1]! });
      const matrix = (data: ArrayLike<number>): tf.Tensor3D =>
        tf.tensor3d(Float32Array.from(data), [batch.batch, 1, batch.tokens]);
      const selected = reference.readInt('r25.selected').data;
      const scores = reference.readFloat('r25.scores').data;
      const cache = encodeContext(model, batch, adapter, matrix(scores), matrix(selected));
      const { numKvHeads, headDim } = model.config;
      const pick = (data: ArrayLike<number>): number[] => {
        const picked: number[] = [];
        for (let i = 0; i < data.length; i++) {
          const token = Math.floor(i / headDim) % batch.tokens;
          const row = Math.floor(i / (headDim * batch.tokens * numKvHeads));
          if (selected[row * batch.tokens + token] === 1) picked.push(data[i]!);
        }
        return picked;
      };
      cache.keys.forEach((keys, layer) => {
        const values = cache.values[layer]!;
        expectClose(pick(keys.dataSync()), pick(reference.readFloat(`r25.keys.${layer}`).data));
        expectClose(pick(values.dataSync()), pick(reference.readFloat(`r25.values.${layer}`).data));
      });
    });
  });

  it.each([50, 25, 10])('answers with the same logits once the rest is evicted at %i percent', (percent) => {
    tf.tidy(() => {
      const kept = lengths.map((length) => keptRows(percent / 100, length));
      const { cache } = kvd.compress({ model, contexts, kept, adapter }, {});
      expect(kvd.eviction).toBe('real');
      expect(cache.keys[0]!.shape[2]).toBe(Math.max(...kept));
      const { hidden } = model.forward(makeBatch(questions, { starts: lengths }), { past: cache });
      expectClose(model.logits(hidden).dataSync(), reference.readFloat(`r${percent}.student_logits`).data);
    });
  });
});
