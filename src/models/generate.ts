/** Greedy decoding behind a cache, in batches of unequal length. */
import * as tf from '@tensorflow/tfjs-core';
import { makeBatch } from './batch.js';
import { appendCache, cacheTensors, type KvCache } from './cache.js';
import type { Decoder } from './decoder.js';

export interface GreedyOptions {
  maxNewTokens: number;
  /** Generation of a row stops at any of these; they are not part of the output. */
  eosIds: readonly number[];
}

/** Likeliest next token behind the last real token of each row of `hidden`. */
function nextTokens(model: Decoder, hidden: tf.Tensor2D, rows: readonly number[]): number[] {
  const last = tf.gather(hidden, tf.tensor1d([...rows], 'int32'));
  return Array.from(tf.argMax(model.logits(last), 1).dataSync());
}

/**
 * Greedy continuation of `prompts`, attending to `cache` (which stays as it is).
 * @param prompts token ids of each row, none empty
 * @returns new token ids of each row, without the end token
 */
export function greedy(
  model: Decoder,
  cache: KvCache | undefined,
  prompts: readonly (readonly number[])[],
  options: GreedyOptions,
): number[][] {
  const outputs: number[][] = prompts.map(() => []);
  const done = prompts.map(() => false);
  let past = cache;
  let inputs = prompts.map((prompt) => [...prompt]);
  for (let step = 0; step < options.maxNewTokens; step++) {
    let tokens: number[] = [];
    const before = past;
    past = tf.tidy(() => {
      const batch = makeBatch(inputs, before === undefined ? {} : { starts: before.nextPositions });
      const result = model.forward(batch, before === undefined ? {} : { past: before });
      const rows = batch.lengths.map((length, row) => row * batch.tokens + length - 1);
      tokens = nextTokens(model, result.hidden, rows);
      return before === undefined ? result.cache : appendCache(before, result.cache);
    });
    if (before !== undefined && before !== cache) tf.dispose(cacheTensors(before));
    tokens.forEach((token, row) => {
      if (done[row]) return;
      if (options.eosIds.includes(token)) done[row] = true;
      else outputs[row]!.push(token);
    });
    if (done.every(Boolean)) break;
    inputs = tokens.map((token) => [token]);
  }
  if (past !== undefined && past !== cache) tf.dispose(cacheTensors(past));
  return outputs;
}
