/** A compressed context: a cache that can be kept, moved and asked, and what is known of how it came to be. */
import { z } from 'zod';
import { disposeCache, type KvCache } from '../models/cache.js';

/** Goes up when older readers would misread the file. */
export const FORMAT = 'kvd-context/1';

/** Positions are float32 in a cache, which tells whole numbers apart up to here. */
const MOST_TOKENS = 2 ** 24;

const count = z.int().min(0).max(MOST_TOKENS);
const hash = z.string().regex(/^[0-9a-f]{64}$/, 'no SHA-256');
const label = z.string().max(1024);

const segmentSchema = z.strictObject({
  /** Tokens of the context that it stands for: from `from` to before `to`. */
  from: count,
  to: count,
  /** Position of the first of them. */
  position: count,
  /** SHA-256 of their ids, int32, little-endian. */
  tokens_hash: hash,
  /** Rows kept of them, the mean over layers and KV heads. */
  kept: z.number().min(0),
  /** Share of rows asked for; 1 = kept whole, as the uncompressed model has them. */
  retention: z.number().gt(0).max(1),
  /** Name of the document. */
  source: label.nullable(),
  /** How it was compressed; null where it was kept whole. */
  compression: z
    .strictObject({
      method: label,
      options: z.record(z.string(), z.unknown()),
      /** Tokens of a fold; null = not folded. */
      fold_tokens: z.int().min(1).nullable(),
      /** SHA-256 of the adapter's weights and settings. */
      adapter: hash.nullable(),
      /** The question that a question-aware method was given. */
      question: z.string().nullable(),
      /** Whether rows stand at positions of their own instead of those of the tokens that they were. */
      own_positions: z.boolean(),
    })
    .nullable(),
});

export const infoSchema = z.strictObject({
  /** Version of kvd that wrote it. */
  kvd: label,
  model: z.strictObject({
    /** As it was named: a shipped model, or a folder. */
    name: label,
    /** SHA-256 over configuration and weights. */
    hash,
    layers: z.int().min(1).max(1000),
    kv_heads: z.int().min(1).max(1_000_000),
    head_dim: z.int().min(1).max(1_000_000),
  }),
  /** SHA-256 of tokenizer.json. */
  tokenizer: hash,
  /** Uncompressed length in tokens. */
  tokens: count,
  /** Position of the token that comes next. */
  next_position: count,
  segments: z.array(segmentSchema).min(1).max(100_000),
});

/** How a part of the context was compressed. */
export type Segment = z.output<typeof segmentSchema>;

/** Everything of a compressed context but its tensors. */
export type ContextInfo = z.output<typeof infoSchema>;

/** A context of one document or several, compressed; its tensors live until `disposeContext`. */
export interface CompressedContext {
  /** A cache of one sequence. */
  cache: KvCache;
  info: ContextInfo;
  /** Token ids of the uncompressed context, where they were kept. */
  tokenIds?: Int32Array | undefined;
}

/** Frees the tensors of a context, which no garbage collector does; it cannot be asked any more. */
export function disposeContext(context: CompressedContext): void {
  disposeCache(context.cache);
}

/** Size of a context beside that of its uncompressed cache. */
export interface ContextSize {
  tokens: number;
  /** Rows kept, the mean over layers and KV heads. */
  rows: number;
  /** Of keys and values, float32. */
  bytes: number;
  uncompressedBytes: number;
}

/** Tokens, rows (the mean over layers and KV heads) and bytes (of float32 keys and values as they are held). */
export function contextSize({ cache, info }: CompressedContext): ContextSize {
  const { layers, kv_heads, head_dim } = info.model;
  const held = [...cache.keys, ...cache.values].reduce((sum, { size }) => sum + size, 0);
  return {
    tokens: info.tokens,
    rows: info.segments.reduce((sum, { kept }) => sum + kept, 0),
    bytes: 4 * held,
    uncompressedBytes: 2 * 4 * info.tokens * layers * kv_heads * head_dim,
  };
}
