/** ICAE: a LoRA encoder writes the context into memory slots, which the frozen model reads as soft tokens. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import { join } from 'node:path';
import { Random } from '../engine/random.js';
import { makeBatch, type TokenBatch } from '../models/batch.js';
import type { KvCache } from '../models/cache.js';
import type { Decoder } from '../models/decoder.js';
import type { LoraAdapter, LoraTarget } from '../models/lora.js';
import { readSettings, SETTINGS, wholeOrNone, writeSettings } from './adapter-files.js';
import { freshLora, loraOptions, loraTensors } from './lora-adapter.js';
import { loadLora, LORA_WEIGHTS, saveLora } from './peft.js';
import { normalMatrix, readMatrix, withSafetensors, writeMatrices } from './matrices.js';
import { defineMethod } from './method.js';
import { requestBatch } from './selection.js';
import { requireAdapter, type Adapter, type Trainable } from './trainable.js';

const FORMAT = 'icae-adapter/1';
const SLOT_WEIGHTS = 'slots.safetensors';
const SLOTS = 'slots.weight';
const TARGETS: readonly LoraTarget[] = ['q', 'v'];

const options = z.strictObject({
  max_slots: z
    .int()
    .min(1)
    .default(512)
    .describe('memory slots that are learned: the most rows that a context, or a fold of one, can keep'),
  ...loraOptions,
});

const settingsSchema = z.strictObject({ format: z.literal(FORMAT), max_slots: z.int().min(1) });

interface IcaeAdapter extends Adapter {
  format: typeof FORMAT;
  lora: LoraAdapter;
  /** Embeddings of the slots, as they join the residual stream, [max_slots, hidden]. */
  slots: tf.Tensor2D;
}

function checkSlots(kept: readonly number[], slots: number): void {
  const most = Math.max(...kept);
  if (most <= slots) return;
  throw new UserError('too-few-slots', `icae has ${slots} memory slots, but ${most} rows are to be kept`, {
    hint: 'Train with a larger method.max_slots, lower the budget, or fold contexts.',
  });
}

/**
 * Slots behind each context, encoded; their final hidden states, read by the frozen model in the place of tokens. The
 * slots of a context that starts at position s stand at s, s + 1, …, and what follows goes on right behind them.
 */
function encode(model: Decoder, batch: TokenBatch, kept: readonly number[], adapter: IcaeAdapter): KvCache {
  checkSlots(kept, adapter.slots.shape[0]);
  const [size] = model.weights.embedding.shape;
  const { starts } = batch;
  const extended = batch.lengths.map((length, row) => [
    ...batch.ids.subarray(row * batch.tokens, row * batch.tokens + length),
    ...Array.from({ length: kept[row]! }, (_, slot) => size + slot),
  ]);
  const reading = makeBatch(extended, { starts });
  const { hidden } = model.forward(reading, {
    lora: { adapter: adapter.lora },
    extraEmbeddings: adapter.slots,
  });
  const places = kept.flatMap((count, row) =>
    Array.from({ length: count }, (_, slot) => row * reading.tokens + batch.lengths[row]! + slot),
  );
  const states = model.finalHidden(tf.gather(hidden, tf.tensor1d(places, 'int32')));
  let next = size;
  const soft = makeBatch(
    kept.map((count) => Array.from({ length: count }, () => next++)),
    { starts },
  );
  return model.forward(soft, { extraEmbeddings: states, cacheOnly: true }).cache;
}

const trainable: Trainable<IcaeAdapter> = {
  format: FORMAT,
  files: [LORA_WEIGHTS, SLOT_WEIGHTS, SETTINGS],
  fresh: (config, given, seed) => {
    const { max_slots, ...sizes } = options.parse(given);
    const random = new Random(`icae/${seed}`);
    const lora = freshLora(config, sizes, random, TARGETS);
    return { format: FORMAT, lora, slots: normalMatrix(random, max_slots, config.hiddenSize, 1) };
  },
  settings: ({ format, slots }) => ({ format, max_slots: slots.shape[0] }),
  tensors: ({ lora, slots }) => ({ slots, ...loraTensors(lora) }),
  trained: ({ lora, slots }) => {
    const adapted = Object.entries(loraTensors(lora)).filter(([name]) => /\.[qv]\.[ab]$/.test(name));
    return Object.fromEntries([['slots', slots], ...adapted]) as unknown as Record<string, tf.Variable>;
  },
  frozenLayers: () => undefined,
  encode: ({ model, batch, kept }, adapter) => ({ cache: encode(model, batch, kept, adapter) }),
  save: (folder, adapter, baseModel) => {
    saveLora(folder, adapter.lora, baseModel, TARGETS);
    writeMatrices(join(folder, SLOT_WEIGHTS), { [SLOTS]: adapter.slots });
    writeSettings(folder, trainable.settings(adapter));
  },
  load: (folder, config) => {
    const { format, max_slots } = readSettings(folder, settingsSchema);
    const path = join(folder, SLOT_WEIGHTS);
    const shape: [number, number] = [max_slots, config.hiddenSize];
    return wholeOrNone(() => ({
      format,
      lora: loadLora(folder, config),
      slots: withSafetensors(path, (source) => readMatrix(source, SLOTS, shape, path)),
    }));
  },
};

export const icae = defineMethod({
  name: 'icae',
  summary: 'ICAE: memory slots written by a LoRA encoder, read as soft tokens (question-independent)',
  reference: 'arXiv 2307.06945; positions and LoRA targets as in github.com/getao/icae',
  eviction: 'real',
  ownPositions: true,
  budget: 'free',
  needs: { training: true, question: false, attention: false },
  trainable,
  options,
  compress: (request) => {
    const adapter = requireAdapter('icae', trainable, request.adapter);
    const cache = tf.tidy(() => encode(request.model, requestBatch(request), request.kept, adapter));
    return { cache, kept: [...request.kept] };
  },
});
