/** One KV-Distill forward pass, teacher and student, as a loss (section 3.3). */
import * as tf from '@tensorflow/tfjs-core';
import { concatPositions, joinParts, type KvCache } from '../models/cache.js';
import { makeBatch, PAD_POSITION, type TokenBatch } from '../models/batch.js';
import type { Decoder } from '../models/decoder.js';
import { cutFolds } from '../methods/folding.js';
import { encodeContext, scoreTokens, selectTokens } from '../methods/kvd.js';
import type { KvdAdapter } from '../methods/kvd-adapter.js';
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
  /** Residual stream of `contexts` after η layers, [batch·tokens, hidden]. */
  hidden: tf.Tensor2D;
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
 * Runs the frozen model over contexts and continuations, and where contexts fold, its first η layers over the folds;
 * dispose the three tensors when done. The teacher reads each context whole.
 * @param kept rows to keep of each context
 */
export function teacherPass(
  model: Decoder,
  examples: readonly Example[],
  kept: readonly number[],
  eta: number,
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
  const [hidden, logits] = tf.tidy(() => {
    const encoded = model.forward(whole, { cacheOnly: true, ...(!folded && { collectHidden: eta }) });
    return [
      folded ? model.forward(contexts, { layers: eta }).hidden : encoded.hiddenStates[0]!,
      continuationLogits(model, continuations, encoded.cache, targetRows),
    ] as [tf.Tensor2D, tf.Tensor2D];
  });
  return { contexts, parts: folds.parts, kept: folds.kept, continuations, targetRows, hidden, logits };
}

/**
 * Logits of the student at the target rows. Rows that are not selected are masked here rather than
 * gathered (test/unit/training/objective.test.ts shows that both give the same logits).
 */
export function studentLogits(
  model: Decoder,
  adapter: KvdAdapter,
  pass: Omit<TeacherPass, 'logits'>,
): tf.Tensor2D {
  const { contexts, parts, kept, continuations, targetRows, hidden } = pass;
  const scores = scoreTokens(adapter.scorer, hidden, contexts, adapter.settings.n_sink);
  const selected = selectTokens(scores, contexts.lengths, kept, adapter.settings.n_sink);
  const cache = hideRows(encodeContext(model, contexts, adapter, scores, selected), selected);
  const joined = parts.every((count) => count === 1) ? cache : joinParts(cache, parts);
  return continuationLogits(model, continuations, joined, targetRows);
}

/** The cache with unselected rows hidden from every query. */
function hideRows(cache: KvCache, selected: tf.Tensor2D): KvCache {
  const chosen = tf.expandDims(selected, 1) as tf.Tensor3D;
  const empty = tf.zeros([chosen.shape[0], 1, 0]) as tf.Tensor3D;
  const spread = concatPositions(cache.positions[0]!, empty);
  const hidden = tf.where(tf.greater(chosen, 0), spread, tf.fill(chosen.shape, PAD_POSITION)) as tf.Tensor3D;
  return { ...cache, positions: cache.positions.map(() => hidden) };
}
