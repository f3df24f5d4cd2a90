/** One KV-Distill forward pass, teacher and student, as a loss (section 3.3). */
import * as tf from '@tensorflow/tfjs-core';
import { concatPositions, type KvCache } from '../models/cache.js';
import { makeBatch, PAD_POSITION, type TokenBatch } from '../models/batch.js';
import type { Decoder } from '../models/decoder.js';
import { encodeContext, scoreTokens, selectTokens } from '../methods/kvd.js';
import type { KvdAdapter } from '../methods/kvd-adapter.js';
import type { Example } from './examples.js';

/** A batch of examples with what the frozen model says of it. */
export interface TeacherPass {
  contexts: TokenBatch;
  continuations: TokenBatch;
  /** Rows of the flattened continuations at which a target is foretold, int32 [targets]. */
  targetRows: tf.Tensor1D;
  /** Residual stream after η layers, [batch·tokens, hidden]. */
  hidden: tf.Tensor2D;
  /** [targets, vocabulary] */
  logits: tf.Tensor2D;
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

/** Runs the frozen model over contexts and continuations; dispose the three tensors when done. */
export function teacherPass(
  model: Decoder,
  examples: readonly Example[],
  eta: number,
  padTo: { contextTokens?: number; continuationTokens?: number } = {},
): TeacherPass {
  const contexts = makeBatch(
    examples.map((example) => example.context),
    padTo.contextTokens === undefined ? {} : { tokens: padTo.contextTokens },
  );
  const continuations = makeBatch(
    examples.map((example) => example.continuation),
    {
      starts: contexts.lengths,
      ...(padTo.continuationTokens === undefined ? {} : { tokens: padTo.continuationTokens }),
    },
  );
  const rows = examples.flatMap((example, b) => example.targets.map((t) => b * continuations.tokens + t));
  const targetRows = tf.tensor1d(rows, 'int32');
  const [hidden, logits] = tf.tidy(() => {
    const encoded = model.forward(contexts, { cacheOnly: true, collectHidden: true });
    return [
      encoded.hiddenStates[eta]!,
      continuationLogits(model, continuations, encoded.cache, targetRows),
    ] as [tf.Tensor2D, tf.Tensor2D];
  });
  return { contexts, continuations, targetRows, hidden, logits };
}

/**
 * Logits of the student at the target rows. Rows that are not selected are masked here rather than
 * gathered (test/unit/training/objective.test.ts shows that both give the same logits).
 * @param kept rows to keep of each context
 */
export function studentLogits(
  model: Decoder,
  adapter: KvdAdapter,
  pass: Pick<TeacherPass, 'contexts' | 'continuations' | 'targetRows' | 'hidden'>,
  kept: readonly number[],
): tf.Tensor2D {
  const { contexts, continuations, targetRows, hidden } = pass;
  const scores = scoreTokens(adapter.scorer, hidden, contexts, adapter.settings.n_sink);
  const selected = selectTokens(scores, contexts.lengths, kept, adapter.settings.n_sink);
  const cache = encodeContext(model, contexts, adapter, scores, selected);
  return continuationLogits(model, continuations, hideRows(cache, selected), targetRows);
}

/** The cache with unselected rows hidden from every query. */
function hideRows(cache: KvCache, selected: tf.Tensor2D): KvCache {
  const chosen = tf.expandDims(selected, 1) as tf.Tensor3D;
  const empty = tf.zeros([chosen.shape[0], 1, 0]) as tf.Tensor3D;
  const spread = concatPositions(cache.positions[0]!, empty);
  const hidden = tf.where(tf.greater(chosen, 0), spread, tf.fill(chosen.shape, PAD_POSITION)) as tf.Tensor3D;
  return { ...cache, positions: cache.positions.map(() => hidden) };
}
