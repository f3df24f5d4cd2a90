/** Heads that compete for rows: how many each keeps where their scores are ranked together. */
import type { RowCounts } from '../models/cache.js';
import { scoreArrays, type HeadScores } from './arrays.js';
import type { Ranking } from './scoring.js';

/**
 * How many rows each list keeps of `total`, if the first `safe` of each are given and the best of all others follow.
 * Ties go to the earlier list.
 * @param lists scores from the best on
 */
export function shareByScore(lists: readonly HeadScores[], total: number, safe: number): number[] {
  const counts = lists.map((list) => Math.min(safe, list.length));
  let left = total - counts.reduce((sum, count) => sum + count, 0);
  const rest = lists
    .flatMap((list, head) => Array.from(list.subarray(counts[head]), (score) => ({ score, head })))
    .sort((a, b) => b.score - a.score);
  for (const { head } of rest) {
    if (left <= 0) break;
    counts[head]! += 1;
    left -= 1;
  }
  return counts;
}

/** Scores of each sequence's real rows, from the best on: [layer][sequence][head]. */
function sortedScores(ranking: Ranking): HeadScores[][][] {
  return scoreArrays(ranking).map((sequences, layer) => {
    const heads = ranking.cache.keys[layer]!.shape[1];
    return sequences.map((lists) => {
      const sorted = lists.map((list) => list.sort().reverse());
      return Array.from({ length: heads }, (_, head) => sorted[head] ?? sorted[0]!);
    });
  });
}

/**
 * Rows of each head where the heads of a layer compete for what the layer keeps.
 * @param safeOf rows that each head keeps at least, given the layer's average
 */
export function competeInLayers(ranking: Ranking, safeOf: (kept: number) => number): RowCounts[] {
  return sortedScores(ranking).map((sequences, layer) =>
    sequences.map((heads, sequence) => {
      const kept = ranking.counts[layer]![sequence]![0]!;
      return shareByScore(heads, kept * heads.length, safeOf(kept));
    }),
  );
}

/** Rows of each head where all heads of all layers compete. */
export function competeEverywhere(ranking: Ranking): RowCounts[] {
  const sorted = sortedScores(ranking);
  const bySequence = ranking.extents.lengths.map((_, sequence) => {
    const lists = sorted.flatMap((layer) => layer[sequence]!);
    const total = ranking.counts.reduce(
      (sum, layer, i) => sum + layer[sequence]![0]! * sorted[i]![sequence]!.length,
      0,
    );
    return shareByScore(lists, total, 0);
  });
  let at = 0;
  return sorted.map((layer) => {
    const heads = layer[0]!.length;
    at += heads;
    return bySequence.map((counts) => counts.slice(at - heads, at));
  });
}
