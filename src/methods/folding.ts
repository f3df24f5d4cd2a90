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

/** Contexts cut into folds, which follow each other. */
export interface Folds {
  /** Token ids of every fold of every context. */
  contexts: number[][];
  /** Position of each fold's first token in its context. */
  starts: number[];
  /** Rows to keep of each fold. */
  kept: number[];
  /** How many folds each context has. */
  parts: number[];
}

/** Where a context of `length` tokens is cut into as few folds of at most `size` as it takes, all of a length (± 1). */
function foldStarts(length: number, size: number): number[] {
  const count = Math.max(1, Math.ceil(length / size));
  return Array.from({ length: count }, (_, i) => Math.floor((i * length) / count));
}

/**
 * Cuts each context into equally long folds of at most `sizes[i]` tokens and shares its kept rows out among them. Where
 * fewer rows are asked for than there are folds, each fold keeps one. (The paper pads a context to a multiple of the
 * fold instead, which leaves its last fold a few tokens and fewer rows.)
 */
export function cutFolds(
  contexts: readonly (readonly number[])[],
  kept: readonly number[],
  sizes: readonly number[],
): Folds {
  const starts = contexts.map((context, row) => foldStarts(context.length, sizes[row]!));
  const folds = contexts.map((context, row) =>
    starts[row]!.map((start, i) => context.slice(start, starts[row]![i + 1])),
  );
  return {
    contexts: folds.flat(),
    starts: starts.flat(),
    kept: folds.flatMap((pieces, row) =>
      apportion(
        kept[row]!,
        pieces.map((piece) => piece.length),
      ),
    ),
    parts: folds.map((pieces) => pieces.length),
  };
}

/**
 * What `method` makes of contexts in folds of at most `foldTokens`, each compressed without sight of the others
 * at its own positions. A context of which everything is kept is not folded, nor is any by a method of fixed budget.
 */
export function compressInFolds(
  method: Method,
  request: CompressionRequest,
  options: unknown,
  foldTokens: number,
): Compression {
  if (method.budget !== 'free') return method.compress(request, options);
  const sizes = request.contexts.map((context, row) =>
    request.kept[row]! < context.length ? foldTokens : context.length,
  );
  const { parts, ...folds } = cutFolds(request.contexts, request.kept, sizes);
  if (parts.every((count) => count === 1)) return method.compress(request, options);
  const { cache, kept, held } = method.compress(
    {
      ...request,
      ...folds,
      ...(request.questions && {
        questions: parts.flatMap((count, row) =>
          Array.from({ length: count }, () => request.questions![row]!),
        ),
      }),
    },
    options,
  );
  const joined = joinParts(cache, parts);
  disposeCache(cache);
  const summed = (rows: readonly number[]): number[] => {
    let at = 0;
    return parts.map((count) => rows.slice(at, (at += count)).reduce((sum, one) => sum + one, 0));
  };
  return { cache: joined, kept: summed(kept), ...(held && { held: summed(held) }) };
}
