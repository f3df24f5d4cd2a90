/** One forward pass of teacher and student: what a training objective is a loss of. */
import * as tf from '@tensorflow/tfjs-core';
import { joinParts, joinRows } from '../models/cache.js';
import { makeBatch, type TokenBatch } from '../models/batch.js';
import type { Decoder } from '../models/decoder.js';
import { cutFolds } from '../methods/folding.js';
import type { Adapter, Encoding, Trainable } from '../methods/trainable.js';
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
  /** The targets, int32 [targets]. */
  labels: tf.Tensor1D;
  /** What the frozen model projects to its logits there, [targets, hidden]; absent where no teacher was wanted. */
  normed?: tf.Tensor2D | undefined;
}

export interface TeacherOptions {
  /** Contexts are encoded in folds of at most this many tokens; whole where not given. */
  foldTokens?: number | undefined;
  /** Whether the frozen model reads whole contexts and continuations; it does unless told not to. */
  teacher?: boolean;
  /** Widths of the padded batches, where not their longest sequence's. */
  padTo?: { contextTokens: number; continuationTokens: number };
}

/** What is projected to logits at `rows` of the continuations, attending to an encoding: [targets, hidden]. */
function continuationNormed(
  model: Decoder,
  continuations: TokenBatch,
  { cache, bias }: Encoding,
  rows: tf.Tensor1D,
): tf.Tensor2D {
  const options = { past: cache, pastBias: bias, wanted: rows };
  return model.finalHidden(model.forward(continuations, options).hidden);
}

/** Logits at `rows` of the continuations, attending to an encoding: [targets, vocabulary]. */
export function continuationLogits(
  model: Decoder,
  continuations: TokenBatch,
  encoding: Encoding,
  rows: tf.Tensor1D,
): tf.Tensor2D {
  return model.project(continuationNormed(model, continuations, encoding, rows));
}

/**
 * Runs the frozen model over contexts and continuations, and where contexts fold, its first layers over the folds;
 * free what it makes with `disposePass`. The teacher reads each context whole.
 * @param kept rows to keep of each context
 * @param layers after how many of them the residual stream is wanted
 */
export function teacherPass(
  model: Decoder,
  examples: readonly Example[],
  kept: readonly number[],
  layers: number | undefined,
  { foldTokens = Infinity, teacher = true, padTo }: TeacherOptions = {},
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
  const labels = examples.flatMap(({ continuation, targets }) => targets.map((t) => continuation[t + 1]!));
  const targetRows = tf.tensor1d(rows, 'int32');
  const { hidden, normed } = tf.tidy((): { hidden?: tf.Tensor2D; normed?: tf.Tensor2D } => {
    if (!teacher) return layers === undefined ? {} : { hidden: model.forward(contexts, { layers }).hidden };
    // A pass for the cache alone leaves out what comes after all layers.
    const apart = folded || layers === model.config.numLayers;
    const collected = !apart && layers !== undefined ? { collectHidden: layers } : {};
    const encoded = model.forward(whole, { cacheOnly: true, ...collected });
    const spoken = continuationNormed(model, continuations, encoded, targetRows);
    if (layers === undefined) return { normed: spoken };
    const below = apart ? model.forward(contexts, { layers }).hidden : encoded.hiddenStates[0]!;
    return { hidden: below, normed: spoken };
  });
  return {
    contexts,
    parts: folds.parts,
    kept: folds.kept,
    continuations,
    targetRows,
    labels: tf.tensor1d(labels, 'int32'),
    hidden,
    normed,
  };
}

/** Frees what `teacherPass` made. */
export function disposePass({ targetRows, labels, hidden, normed }: TeacherPass): void {
  tf.dispose([targetRows, labels, hidden, normed].filter((x) => x !== undefined));
}

/** What the student attends to: the encoding of each fold, and of each whole context. */
export interface StudentPass {
  folds: Encoding;
  whole: Encoding;
}

/** The contexts of a pass, encoded with gradients. */
export function studentPass<A extends Adapter>(
  model: Decoder,
  trainable: Trainable<A>,
  adapter: A,
  { contexts, parts, kept, hidden }: TeacherPass,
): StudentPass {
  const folds = trainable.encode({ model, batch: contexts, kept, hidden }, adapter);
  if (parts.every((count) => count === 1)) return { folds, whole: folds };
  const whole = {
    cache: joinParts(folds.cache, parts),
    ...(folds.bias && { bias: joinRows(folds.bias, parts) }),
  };
  return { folds, whole };
}

/** What is projected to the student's logits at the target rows: [targets, hidden]. */
export function studentNormed(
  model: Decoder,
  { whole }: StudentPass,
  { continuations, targetRows }: TeacherPass,
): tf.Tensor2D {
  const behind = { ...continuations, starts: whole.cache.nextPositions };
  return continuationNormed(model, behind, whole, targetRows);
}

/** Logits of the student at the target rows: [targets, vocabulary]. */
export function studentLogits(model: Decoder, student: StudentPass, teacher: TeacherPass): tf.Tensor2D {
  return model.project(studentNormed(model, student, teacher));
}
