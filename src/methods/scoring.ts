/** Methods that rank rows by scores: what they share, and what wrappers compose with. */
import * as tf from '@tensorflow/tfjs-core';
import type { z } from 'zod';
import { cacheTensors, evenCounts, type KvCache, type RowCounts } from '../models/cache.js';
import type {
  Compression,
  CompressionRequest,
  KvpressName,
  Method,
  MethodNeeds,
  ScoringRequest,
} from './method.js';
import { defineMethod } from './method.js';
import { keepCounted, type Extents } from './selection.js';

/** What each row of a prefill is worth. */
export interface Scored {
  /** The whole cache; it may hold rows behind the contexts, which never stay. */
  cache: KvCache;
  /** Per layer [batch, kvHeads or 1, tokens]: the highest stay. Padding may hold any value. */
  scores: tf.Tensor3D[];
  /** Tokens at positions below it stay whatever their score. */
  sinks: number;
}

/** What each row of a prefill is worth, and how many of them stay. */
export interface Ranking extends Scored {
  /** Where each context stands. */
  extents: Extents;
  /** Per layer, how many rows of each context and head stay. */
  counts: RowCounts[];
}

/** A method that ranks rows, so that wrappers can compose with it. */
export interface ScoringMethod extends Method {
  /** Ranks the rows of a request's contexts; wrap in `tf.tidy`. Rows of one layer and head compare, others may not. */
  rank(request: CompressionRequest, options: unknown): Ranking;
  /** Scores from keys and values alone, which chunks and blocks of rows can have for themselves. */
  scoreRows?(rows: Rows, options: unknown): tf.Tensor3D;
}

/** Rows of one layer. */
export interface Rows {
  /** [batch, kvHeads, rows, headDim], after rotary embedding. */
  keys: tf.Tensor4D;
  /** [batch, kvHeads, rows, headDim] */
  values: tf.Tensor4D;
  /** First position and number of the rows of each sequence; behind them is padding. */
  extents: Extents;
}

/** What a method that ranks rows declares, beside how it scores or ranks them. */
export interface ScoringTraits<Schema extends z.ZodObject> {
  name: string;
  summary: string;
  reference: string;
  needs?: Partial<MethodNeeds>;
  kvpress?: KvpressName;
  ownPositions?: boolean;
  options: Schema;
  readsQuestion?: (options: z.output<Schema>) => boolean;
  scoreRows?: (rows: Rows, options: z.output<Schema>) => tf.Tensor3D;
  /** What it makes of its ranking; `keepRanked` unless given. */
  keep?: (request: CompressionRequest, ranking: Ranking, options: z.output<Schema>) => Compression;
}

/** Its scores, if they are the same however many rows stay; else its ranking. */
export type ScoringDeclaration<Schema extends z.ZodObject> = ScoringTraits<Schema> &
  (
    | { score: (request: ScoringRequest, options: z.output<Schema>) => Scored; rank?: never }
    | { rank: (request: CompressionRequest, options: z.output<Schema>) => Ranking; score?: never }
  );

/** A ranking in which every layer and head keeps the rows asked for. */
export function evenRanking(request: CompressionRequest, ranked: Scored): Ranking {
  const lengths = request.contexts.map((context) => context.length);
  const starts = request.starts === undefined ? lengths.map(() => 0) : [...request.starts];
  return {
    ...ranked,
    extents: { starts, lengths },
    counts: evenCounts(request.kept, ranked.scores.length),
  };
}

function meanRows(
  counts: readonly RowCounts[],
  sequence: number,
  of: (heads: readonly number[]) => number,
): number {
  return counts.reduce((sum, layer) => sum + of(layer[sequence]!), 0) / counts.length;
}

/** The rows that a ranking keeps; the question goes on behind the contexts. */
export function keepRanked({ cache, scores, extents, sinks, counts }: Ranking): Compression {
  const { lengths, starts } = extents;
  const uneven = counts.some((layer) => layer[0]!.length > 1);
  const rows = (of: (heads: readonly number[]) => number): number[] =>
    lengths.map((_, sequence) => meanRows(counts, sequence, of));
  return {
    cache: {
      ...keepCounted(cache, scores, extents, counts, sinks),
      nextPositions: lengths.map((length, row) => starts[row]! + length),
    },
    kept: rows((heads) => heads.reduce((sum, count) => sum + count, 0) / heads.length),
    ...(uneven && { held: rows((heads) => Math.max(...heads)) }),
  };
}

/** What `work` returns, all tensors but those of the result disposed of. */
function tidyBut<T>(work: () => T, tensorsOf: (result: T) => tf.Tensor[]): T {
  let result: T | undefined;
  tf.tidy(() => {
    result = work();
    return tensorsOf(result);
  });
  return result!;
}

/** A ranking whose cache and scores the caller owns. */
export function rankTidily(method: ScoringMethod, request: CompressionRequest, options: unknown): Ranking {
  return tidyBut(() => method.rank(request, options), scoredTensors);
}

/** Disposes of a ranking's tensors. */
export function disposeRanking(ranking: Ranking): void {
  tf.dispose(scoredTensors(ranking));
}

/** The tensors of scores and of the cache that they belong to, each once. */
export function scoredTensors({ cache, scores }: Scored): tf.Tensor[] {
  return [...new Set([...cacheTensors(cache), ...scores])];
}

/** Declares a method that ranks rows. */
export function defineScoring<Schema extends z.ZodObject>(
  declaration: ScoringDeclaration<Schema>,
): ScoringMethod {
  const { score, rank: ranked, scoreRows, keep, needs, ...declared } = declaration;
  const rank = (request: CompressionRequest, options: z.output<Schema>): Ranking => {
    if (ranked !== undefined) return ranked(request, options);
    const make = (): Scored => score(request, options);
    return evenRanking(request, request.memory?.recall(declared.name, options, request, make) ?? make());
  };
  const parse = (options: unknown): z.output<Schema> => declared.options.parse(options) as z.output<Schema>;
  return {
    ...defineMethod({
      ...declared,
      eviction: 'real',
      budget: 'free',
      needs: { training: false, question: false, attention: false, ...needs },
      compress: (request, options) =>
        tidyBut(
          () => {
            const ranking = rank(request, options);
            return keep === undefined ? keepRanked(ranking) : keep(request, ranking, options);
          },
          ({ cache }) => cacheTensors(cache),
        ),
    }),
    rank: (request, options) => rank(request, parse(options)),
    ...(scoreRows && { scoreRows: (rows: Rows, options: unknown) => scoreRows(rows, parse(options)) }),
  };
}

/** Whether a method ranks rows. */
export function isScoring(method: Method): method is ScoringMethod {
  return 'rank' in method;
}
