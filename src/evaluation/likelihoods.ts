/** How much compression changes what the model expects: its reference answers' likelihoods. */
import * as tf from '@tensorflow/tfjs-core';
import { pieces } from '../base/iterate.js';
import { makeBatch } from '../models/batch.js';
import { selectSequences, type KvCache } from '../models/cache.js';
import type { Decoder } from '../models/decoder.js';
import { distinctContexts, type Prepared } from './prepared.js';

/** What is projected to the logits of the reference's tokens, given what `cache` holds: [reference tokens of all rows, hidden]. */
function referenceNormed(model: Decoder, cache: KvCache, batch: readonly Prepared[]): tf.Tensor2D {
  const whole = makeBatch(
    batch.map(({ question, reference }) => [...question, ...reference]),
    { starts: cache.nextPositions },
  );
  const rows = batch.flatMap(({ question, reference }, row) =>
    reference.map((_, i) => row * whole.tokens + question.length + i - 1),
  );
  return tf.tidy(() => {
    const { hidden } = model.forward(whole, { past: cache });
    return model.finalHidden(tf.gather(hidden, tf.tensor1d(rows, 'int32')));
  });
}

/** The uncompressed cache of each sample's context. */
function uncompressed(model: Decoder, batch: readonly Prepared[]): KvCache {
  const { first, of } = distinctContexts(batch, false);
  const contexts = makeBatch(first.map((i) => batch[i]!.context));
  return selectSequences(model.forward(contexts, { cacheOnly: true }).cache, of);
}

type Marks = Record<'kl' | 'nll' | 'agreement', number>;

/** Marks of single tokens, from what is projected to their logits. */
function markRows(
  model: Decoder,
  normedQ: tf.Tensor2D,
  normedP: tf.Tensor2D | undefined,
  labels: readonly number[],
): Marks[] {
  const [kl, nll, agreement] = tf.tidy(() => {
    const logQ = tf.logSoftmax(model.project(normedQ));
    const logP = normedP === undefined ? logQ : tf.logSoftmax(model.project(normedP));
    const picked = tf.mul(logQ, tf.oneHot(tf.tensor1d([...labels], 'int32'), logQ.shape[1]!));
    return [
      tf.sum(tf.mul(tf.exp(logP), tf.sub(logP, logQ)), 1).dataSync(),
      tf.neg(tf.sum(picked, 1)).dataSync(),
      tf.equal(tf.argMax(logP, 1), tf.argMax(logQ, 1)).dataSync(),
    ] as unknown as tf.Tensor[];
  }) as unknown as [Float32Array, Float32Array, Uint8Array];
  return labels.map((_, i) => ({ kl: kl[i]!, nll: nll[i]!, agreement: agreement[i]! }));
}

/**
 * KL to the uncompressed model, negative log-likelihood and top-1 agreement on each row's reference. Logits are marked
 * in pieces of at most `model.logitBlock`.
 * @param untouched whether `cache` is the uncompressed one already
 */
export function likelihoods(
  model: Decoder,
  cache: KvCache,
  batch: readonly Prepared[],
  untouched: boolean,
): Marks[] {
  const normedQ = referenceNormed(model, cache, batch);
  const normedP = untouched
    ? undefined
    : tf.tidy(() => referenceNormed(model, uncompressed(model, batch), batch));
  const labels = batch.flatMap(({ reference }) => reference);
  const size = Math.max(1, Math.floor(model.logitBlock / model.config.vocabSize));
  const marks: Marks[] = [];
  for (const { at, count } of pieces(labels.length, size)) {
    const cut = (x: tf.Tensor2D): tf.Tensor2D => (count === labels.length ? x : tf.slice(x, at, count));
    const own = labels.slice(at, at + count);
    tf.tidy(() => void marks.push(...markRows(model, cut(normedQ), normedP && cut(normedP), own)));
  }
  tf.dispose([normedQ, normedP].filter((x) => x !== undefined));
  let at = 0;
  return batch.map(({ reference }) => {
    const own = marks.slice(at, (at += reference.length));
    const mean = (name: keyof Marks): number =>
      own.reduce((sum, each) => sum + each[name], 0) / reference.length;
    return { kl: mean('kl'), nll: mean('nll'), agreement: mean('agreement') };
  });
}
