/** Scores as plain numbers, for selections that go row by row. */
import * as tf from '@tensorflow/tfjs-core';
import type { Ranking } from './scoring.js';
import { withSinksAndPadding } from './selection.js';

/** Scores of one head's rows, sinks above all. */
export type HeadScores = Float32Array;

/** Row numbers from the best score on; ties in the rows' order. */
export function bestFirst(scores: HeadScores): number[] {
  return Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]!);
}

/** Scores of each list of heads' real rows, [layer][sequence][head]; one head where all share their scores. */
export function scoreArrays({ scores, extents, sinks }: Ranking): HeadScores[][][] {
  return scores.map((score) => {
    const [, heads, tokens] = score.shape;
    const values = tf.tidy(() => withSinksAndPadding(score, extents, sinks).dataSync()) as Float32Array;
    return extents.lengths.map((length, sequence) =>
      Array.from({ length: heads }, (_, head) => {
        const at = (sequence * heads + head) * tokens;
        return values.slice(at, at + length);
      }),
    );
  });
}

/** `ranking` with other scores of real rows, [layer][sequence][head]. */
export function withScores(ranking: Ranking, scores: readonly HeadScores[][][]): Ranking {
  const tensors = scores.map((sequences, layer) => {
    const tokens = ranking.scores[layer]!.shape[2];
    const heads = sequences[0]!.length;
    const flat = new Float32Array(sequences.length * heads * tokens);
    sequences.forEach((lists, sequence) =>
      lists.forEach((list, head) => flat.set(list, (sequence * heads + head) * tokens)),
    );
    return tf.tensor3d(flat, [sequences.length, heads, tokens]);
  });
  return { ...ranking, scores: tensors };
}
