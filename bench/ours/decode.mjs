/** Greedy decoding behind a cache, whole or compressed. */
import * as tf from '@tensorflow/tfjs-core';
import { makeBatch } from '../../dist/models/batch.js';
import { greedy } from '../../dist/models/generate.js';
import { methods } from '../../dist/methods/index.js';
import { randomDecoder, randomIds } from './model.mjs';

/** Decodes `work.new` tokens behind contexts of `work.rows`, of which `work.kept` rows are left where that is given. */
export function decoding(model, work, shape) {
  const contexts = Array.from({ length: work.batch }, (_, i) =>
    randomIds(work.rows, shape.vocabulary, `context/${i}`),
  );
  const { cache } =
    work.kept === undefined
      ? tf.tidy(() => model.forward(makeBatch(contexts), { cacheOnly: true }))
      : methods
          .get('snapkv')
          .compress(
            { model, contexts, kept: contexts.map(() => work.kept) },
            methods.get('snapkv').options.parse({}),
          );
  const prompts = contexts.map((_, i) => [3 + i]);
  return () => greedy(model, cache, prompts, { maxNewTokens: work.new, eosIds: [] });
}

export function prepare(work, shape) {
  return { run: decoding(randomDecoder(shape).model, work, shape) };
}
