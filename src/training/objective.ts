/** One KV-Distill forward pass, teacher and student, as a loss (section 3.3). */
import * as tf from '@tensorflow/tfjs-core';
import { joinParts, type KvCache } from '../models/cache.js';
import { makeBatch, type TokenBatch } from '../models/batch.js';
import type { Decoder } from '../models/decoder.js';
import { cutFolds } from '../methods/folding.js';
import type { Adapter, Trainable } from '../methods/trainable.js';
import type { Example } from './examples.js';

/** A batch of examples with what the frozen model says of it. */
export interface TeacherPass {
  /** What is encoded at once: whole contexts, or their folds one after another. */
  contexts: TokenBatch;
  /** How many folds each context has. */
  parts: readonly number[];
  /** Rows to keep of each whole context, or of each fold. */
  kept: readonly number[];
  continuations: TokenBatch;
  /** Rows of the flattened continuations at which a target is foretold, int32 [targets]. */
  targetRows: tf.Tensor1D;
  /** Residual stream of `contexts` after the layers asked for, [batch·tokens, hidden]; absent where none were. */
  hidden?: tf.Tensor2D | undefined;
  /** [targets, vocabulary] */
  logits: tf.Tensor2D;
}

export interface TeacherOptions {
  /** Contexts are encoded in folds of at most this many tokens; whole where not given. */
  foldTokens?: number | undefined;
  /** Widths of the padded batches, where not their longest sequence's. */
  padTo?: { contextTokens: number; continuationTokens: number };
}

/** Logits at `rows` of the continuations, attending to `cache`: [targets, vocabulary]. */
export function continuationLogits(
  model: Decoder,
  continuations: TokenBatch,
  cache: KvCache,
  rows: tf.Tensor1D,
): tf.Tensor2D {
  const { hidden } = model.forward(continuations, { past: cache });
  return model.logits(tf.gather(hidden, rows));
}

/**
 * Runs the frozen model over contexts and continuations, and where contexts fold, its first layers over the folds;
 * dispose the tensors when done. The teacher reads each context whole.
 * @param kept rows to keep of each context
 * @param layers after how many of them the residual stream is wanted
 */
export function teacherPass(
  model: Decoder,
  examples: readonly Example[],
  kept: readonly number[],
  layers: number | undefined,
  { foldTokens = Infinity, padTo }: TeacherOptions = {},
): TeacherPass {
  const whole = makeBatch(
    examples.map((example) => example.context),
    padTo === undefined ? {} : { tokens: padTo.contextTokens },
  );
  const continuations = makeBatch(
    examples.map((example) => example.continuation),
    { starts: whole.lengths, ...(padTo !== undefined && { tokens: padTo.continuationTokens }) },
  );
  const folds = cutFolds(
    examples.map((example) => example.context),
    kept,
    examples.map(() => foldTokens),
  );
  const folded = folds.parts.some((count) => count > 1);
  const contexts = folded ? makeBatch(folds.contexts, { starts: folds.starts }) : whole;
  const rows = examples.flatMap((example, b) => example.targets.map((t) => b * continuations.tokens + t));
  const targetRows = tf.tensor1d(rows, 'int32');
  const [logits, hidden] = tf.tidy(() => {
    const collected = !folded && layers !== undefined ? { collectHidden: layers } : {};
    const encoded = model.forward(whole, { cacheOnly: true, ...collected });
    const spoken = continuationLogits(model, continuations, encoded.cache, targetRows);
    if (layers === undefined) return [spoken];
    return [spoken, folded ? model.forward(contexts, { layers }).hidden : encoded.hiddenStates[0]!];
  }) as [tf.Tensor2D, tf.Tensor2D | undefined];
  return { contexts, parts: folds.parts, kept: folds.kept, continuations, targetRows, hidden, logits };
}

/** Frees what `teacherPass` made. */
export function disposePass({ targetRows, hidden, logits }: TeacherPass): void {
  tf.dispose([targetRows, logits, ...(hidden === undefined ? [] : [hidden])]);
}

/** Logits of the student at the target rows. */
export function studentLogits<A extends Adapter>(
  model: Decoder,
  trainable: Trainable<A>,
  adapter: A,
  pass: Omit<TeacherPass, 'logits'>,
): tf.Tensor2D {
  const { contexts, parts, kept, continuations, targetRows, hidden } = pass;
  const { cache } = trainable.encode({ model, batch: contexts, kept, hidden }, adapter);
  const joined = parts.every((count) => count === 1) ? cache : joinParts(cache, parts);
  return continuationLogits(model, { ...continuations, starts: joined.nextPositions }, joined, targetRows);
}
