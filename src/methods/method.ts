/** What a compression method is, and what it is asked. */
import type { z } from 'zod';
import type { Entry } from '../base/registry.js';
import type { Budget } from '../base/rounding.js';
import type { KvCache } from '../models/cache.js';
import type { Decoder } from '../models/decoder.js';
import type { ScoreMemory } from './score-memory.js';
import type { Adapter, Trainable } from './trainable.js';

/** What a method must be given beyond the contexts. */
export interface MethodNeeds {
  /** A distilled adapter. */
  training: boolean;
  /** The question, before compressing: question-aware. */
  question: boolean;
  /** Attention weights of the prefill. */
  attention: boolean;
}

/** A batch of contexts whose rows are scored, however many of them then stay. */
export interface ScoringRequest {
  model: Decoder;
  /** Token ids of each context, BOS included. */
  contexts: readonly number[][];
  /** Position of each context's first token; 0 unless given. */
  starts?: readonly number[];
  /** Token ids of each context's question; present for question-aware methods. */
  questions?: readonly number[][];
}

/** A batch of contexts to compress. */
export interface CompressionRequest extends ScoringRequest {
  /** Rows to keep of each context, between 1 and its length. */
  kept: readonly number[];
  /** The same before rounding, for methods that share them out; as `kept` unless given. */
  asked?: readonly number[];
  /** Present for methods that need training. */
  adapter?: Adapter;
  /** Where scores are kept for the next request for the same contexts; made anew each time unless given. */
  memory?: ScoreMemory;
}

/** A compressed cache; the caller owns (and disposes) it. */
export interface Compression {
  cache: KvCache;
  /** Rows that each context really keeps, the mean over layers and KV heads. */
  kept: number[];
  /**
   * Rows for which it holds memory, likewise; more than `kept` where heads of a layer keep different numbers, since
   * the shorter ones are filled up. As `kept` unless given.
   */
  held?: number[];
}

/** Rows that a method keeps whatever is asked, and what a report calls that. */
export interface FixedBudget {
  budget: Budget;
  label: string;
}

/** A method by kvpress's name and parameters. */
export interface KvpressName {
  press: string;
  /** Our options from a press's parameters; undefined where it does something else under these. */
  options(params: Readonly<Record<string, unknown>>): Record<string, unknown> | undefined;
  /**
   * What of the reference's scores is checked: their values, nothing (`order`: the scale is another, the selection is
   * the same), or they are taken from the reference (`given`: drawn by a generator that we lack). A wrapper leaves it
   * to the method that it wraps.
   */
  scores?: 'values' | 'order' | 'given';
}

/** A compression method; `compress` checks its options against their schema. */
export interface Method<Options = unknown> extends Entry {
  /** `real`: evicted rows are gone from the tensors; `masked`: they are only hidden. */
  readonly eviction: 'real' | 'masked';
  readonly needs: MethodNeeds;
  /** How its adapter is trained; present where `needs.training`. */
  readonly trainable?: Trainable;
  /** `free`: as many rows as asked for. Otherwise one and the same, and the contexts are never folded. */
  readonly budget: 'free' | FixedBudget;
  /** Whether rows stand at positions of their own, which do not tell what tokens they were. */
  readonly ownPositions?: boolean;
  readonly options: z.ZodObject;
  /** How kvpress has it, where files of kvpress's can check it. */
  readonly kvpress?: KvpressName;
  /** Whether it looks at the question under these options; always where `needs.question`. */
  readsQuestion(options: unknown): boolean;
  compress(request: CompressionRequest, options: Options): Compression;
}

/** Declares a method; its options are typed by their schema, and checked before use. */
export function defineMethod<Schema extends z.ZodObject>(
  method: Omit<Method, 'options' | 'compress' | 'readsQuestion'> & {
    options: Schema;
    readsQuestion?(options: z.output<Schema>): boolean;
    compress(request: CompressionRequest, options: z.output<Schema>): Compression;
  },
): Method {
  return {
    ...method,
    readsQuestion: (options) =>
      method.needs.question ||
      (method.readsQuestion?.(method.options.parse(options) as z.output<Schema>) ?? false),
    compress: (request, options) =>
      method.compress(request, method.options.parse(options) as z.output<Schema>),
  };
}
