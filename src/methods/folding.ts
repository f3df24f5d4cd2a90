/** Long contexts compressed fold by fold, as KV-Distill does with contexts over 1,536 tokens (section 4). */
import { disposeCache, joinParts } from '../models/cache.js';
import type { Compression, CompressionRequest, Method } from './method.js';

/** `total` in proportion to `sizes`, by largest remainders, none of them 0. */
export function apportion(total: number, sizes: readonly number[]): number[] {
  const whole = sizes.reduce((sum, size) => sum + size, 0);
  const shares = sizes.map((size) => (total * size) / whole);
  const counts = shares.map((share) => Math.max(1, Math.floor(share)));
  const byRemainder = shares
    .map((share, i) => ({ i, remainder: share - Math.floor(share) }))
    .sort((a, b) => b.remainder - a.remainder || a.i - b.i);
  let left = total - counts.reduce((sum, count) => sum + count, 0);
  for (const { i } of byRemainder) {
    if (left <= 0) break;
    counts[i]! += 1;
    left -= 1;
  }
  return counts;
}

/**
 * What `method` makes of contexts in folds of at most `foldTokens`, each compressed without sight of the others
 * at its own positions. A context of which everything is kept is not folded. Where fewer rows are asked for than
 * there are folds, each fold keeps one.
 */
export function compressInFolds(
  method: Method,
  request: CompressionRequest,
  options: unknown,
  foldTokens: number,
): Compression {
  const folds = request.contexts.map((context, row) => {
    const size = request.kept[row]! < context.length ? Math.min(foldTokens, context.length) : context.length;
    return Array.from({ length: Math.ceil(context.length / size) }, (_, i) =>
      context.slice(i * size, (i + 1) * size),
    );
  });
  const parts = folds.map((pieces) => pieces.length);
  if (parts.every((count) => count === 1)) return method.compress(request, options);
  const kept = folds.map((pieces, row) =>
    apportion(
      request.kept[row]!,
      pieces.map((piece) => piece.length),
    ),
  );
  const { cache } = method.compress(
    {
      ...request,
      contexts: folds.flat(),
      starts: folds.flatMap((pieces) => pieces.map((_, i) => i * foldTokens)),
      kept: kept.flat(),
      ...(request.questions && {
        questions: folds.flatMap((pieces, row) => pieces.map(() => request.questions![row]!)),
      }),
    },
    options,
  );
  const joined = joinParts(cache, parts);
  disposeCache(cache);
  return { cache: joined, kept: kept.map((counts) => counts.reduce((sum, count) => sum + count, 0)) };
}
