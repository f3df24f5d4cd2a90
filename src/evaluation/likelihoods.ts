/** How much compression changes what the model expects: its reference answers' likelihoods. */
import * as tf from '@tensorflow/tfjs-core';
import { makeBatch } from '../models/batch.js';
import { selectSequences, type KvCache } from '../models/cache.js';
import type { Decoder } from '../models/decoder.js';
import { distinctContexts, type Prepared } from './prepared.js';

/** Logits of the reference's tokens, given what `cache` holds: [reference tokens of all rows, vocabulary]. */
function referenceLogits(model: Decoder, cache: KvCache, batch: readonly Prepared[]): tf.Tensor2D {
  const whole = makeBatch(
    batch.map(({ question, reference }) => [...question, ...reference]),
    { starts: cache.nextPositions },
  );
  const rows = batch.flatMap(({ question, reference }, row) =>
    reference.map((_, i) => row * whole.tokens + question.length + i - 1),
  );
  const { hidden } = model.forward(whole, { past: cache });
  return model.logits(tf.gather(hidden, tf.tensor1d(rows, 'int32')));
}

/** The uncompressed cache of each sample's context. */
function uncompressed(model: Decoder, batch: readonly Prepared[]): KvCache {
  const { first, of } = distinctContexts(batch, false);
  const contexts = makeBatch(first.map((i) => batch[i]!.context));
  return selectSequences(model.forward(contexts, { cacheOnly: true }).cache, of);
}

/**
 * KL to the uncompressed model, negative log-likelihood and top-1 agreement on each row's reference.
 * @param untouched whether `cache` is the uncompressed one already
 */
export function likelihoods(
  model: Decoder,
  cache: KvCache,
  batch: readonly Prepared[],
  untouched: boolean,
): Record<'kl' | 'nll' | 'agreement', number>[] {
  const [kl, nll, agreement] = tf.tidy(() => {
    const logQ = tf.logSoftmax(referenceLogits(model, cache, batch));
    const logP = untouched ? logQ : tf.logSoftmax(referenceLogits(model, uncompressed(model, batch), batch));
    const labels = tf.tensor1d(
      batch.flatMap(({ reference }) => reference),
      'int32',
    );
    const picked = tf.mul(logQ, tf.oneHot(labels, logQ.shape[1]!));
    return [
      tf.sum(tf.mul(tf.exp(logP), tf.sub(logP, logQ)), 1).dataSync(),
      tf.neg(tf.sum(picked, 1)).dataSync(),
      tf.equal(tf.argMax(logP, 1), tf.argMax(logQ, 1)).dataSync(),
    ] as unknown as tf.Tensor[];
  }) as unknown as [Float32Array, Float32Array, Uint8Array];
  let at = 0;
  return batch.map(({ reference }) => {
    const range = [at, (at += reference.length)] as const;
    const mean = (values: ArrayLike<number>): number => {
      let sum = 0;
      for (let i = range[0]; i < range[1]; i++) sum += values[i]!;
      return sum / reference.length;
    };
    return { kl: mean(kl), nll: mean(nll), agreement: mean(agreement) };
  });
}
