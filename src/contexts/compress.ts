/** Documents made into a compressed context, or appended to one. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import { sha256 } from '../base/hash.js';
import { packageVersion } from '../base/paths.js';
import { keptRows } from '../base/rounding.js';
import { compressInFolds } from '../methods/folding.js';
import type { Method } from '../methods/method.js';
import type { Adapter } from '../methods/trainable.js';
import { makeBatch } from '../models/batch.js';
import { appendCache, disposeCache, withoutEmptyRows, type KvCache } from '../models/cache.js';
import type { Decoder } from '../models/decoder.js';
import { questionIds } from '../models/prompt.js';
import type { CompressedContext, Segment } from './context.js';
import { partsOf, type DocumentInput, type Part } from './documents.js';
import type { ContextModel } from './model.js';

/** How parts are compressed. */
export interface Compressor {
  method: Method;
  /** The method's own; its defaults unless given. */
  options?: Record<string, unknown> | undefined;
  /** Where the method needs one. */
  adapter?: { adapter: Adapter; hash: string } | undefined;
  /** Longer parts are compressed in folds of this many tokens; never unless given. */
  foldTokens?: number | undefined;
  /** The question to compress for; where the method is question-aware. */
  question?: string | undefined;
}

export interface CompressPartsOptions extends Compressor {
  /** The context to append to, which stays as it is. */
  after?: CompressedContext | undefined;
  /** Called before each part with how many are done, and of how many. */
  onPart?: ((done: number, total: number) => void) | undefined;
}

export interface CompressDocumentsOptions extends CompressPartsOptions {
  /** Share of rows kept of what says nothing else. */
  retention: number;
}

/** The part's rows as the uncompressed model has them, which sees all that is before. */
function wholePart(
  model: Decoder,
  ids: readonly number[],
  start: number,
  past: KvCache | undefined,
): KvCache {
  return tf.tidy(() => {
    const batch = makeBatch([ids], { starts: [start] });
    return model.forward(batch, { cacheOnly: true, ...(past !== undefined && { past }) }).cache;
  });
}

/** Checks what the method needs, and what it is told of each part. */
function prepare({ model, tokenizer }: ContextModel, compressor: Compressor) {
  const { method, adapter, foldTokens, question } = compressor;
  const parsed = method.options.safeParse(compressor.options ?? {});
  if (!parsed.success) {
    throw new UserError('bad-options', z.prettifyError(parsed.error), { where: `method ${method.name}` });
  }
  const options: Record<string, unknown> = parsed.data;
  const asks = method.readsQuestion(options);
  if (asks && question === undefined) {
    throw new UserError('no-question', `method ${method.name} compresses for a question`, {
      hint: 'Give the question, or choose a question-independent method.',
    });
  }
  const compression: Segment['compression'] = {
    method: method.name,
    // What a trained method does is its adapter's to say.
    options: { ...options, ...(adapter && method.trainable?.settings(adapter.adapter)) },
    fold_tokens: foldTokens ?? null,
    adapter: method.needs.training ? (adapter?.hash ?? null) : null,
    question: asks ? question! : null,
    own_positions: method.ownPositions ?? false,
  };
  const compress = ({ ids, retention }: Part, start: number): { cache: KvCache; kept: number } => {
    const request = {
      model,
      contexts: [ids],
      starts: [start],
      kept: [keptRows(retention, ids.length)],
      ...(asks && { questions: [questionIds(tokenizer, question!)] }),
      ...(method.needs.training && adapter !== undefined && { adapter: adapter.adapter }),
    };
    const { cache, kept } = compressInFolds(method, request, options, foldTokens ?? Infinity);
    // Folds that keep fewer rows than others are filled up.
    const lean = withoutEmptyRows(cache);
    disposeCache(cache);
    return { cache: lean, kept: kept[0]! };
  };
  return { compression, compress };
}

/** SHA-256 of token ids, as a segment's `tokens_hash`. */
export function tokensHash(ids: Iterable<number>): string {
  return sha256(new Uint8Array(Int32Array.from(ids).buffer));
}

/**
 * Compresses documents and spans of them, one after the other. A compressed part is encoded without sight of what is
 * before it, at its own positions, as a fold is; a part that is kept whole sees all that is before it, as the model will
 * see it. The caller disposes the result.
 */
export async function compressDocuments(
  model: ContextModel,
  documents: readonly DocumentInput[],
  options: CompressDocumentsOptions,
): Promise<CompressedContext> {
  const parts = partsOf(model.tokenizer, documents, options.retention, options.after !== undefined);
  return compressParts(model, parts, options);
}

/** The same of documents whose parts are known already. */
export async function compressParts(
  model: ContextModel,
  parts: readonly Part[],
  options: CompressPartsOptions,
): Promise<CompressedContext> {
  const { after, onPart } = options;
  if (parts.length === 0) throw new UserError('no-document', 'no document to compress');
  const { compression, compress } = prepare(model, options);
  const segments: Segment[] = [...(after?.info.segments ?? [])];
  let cache = after?.cache;
  let start = after?.info.tokens ?? 0;
  // Where rows stand at positions of their own, what follows goes on behind them.
  let position = after?.info.next_position ?? 0;
  try {
    for (const [done, part] of parts.entries()) {
      onPart?.(done, parts.length);
      await new Promise(setImmediate);
      const whole = part.retention === 1;
      const made = whole
        ? { cache: wholePart(model.model, part.ids, position, cache), kept: part.ids.length }
        : compress(part, position);
      const before = cache;
      if (before !== undefined) {
        cache = tf.tidy(() => appendCache(before, made.cache));
        disposeCache(made.cache);
        if (before !== after?.cache) disposeCache(before);
      } else cache = made.cache;
      segments.push({
        from: start,
        to: (start += part.ids.length),
        position,
        tokens_hash: tokensHash(part.ids),
        kept: made.kept,
        retention: part.retention,
        source: part.source,
        compression: whole ? null : compression,
      });
      position = made.cache.nextPositions[0]!;
    }
  } catch (error) {
    if (cache !== undefined && cache !== after?.cache) disposeCache(cache);
    throw error;
  }
  const earlier = after === undefined ? [] : after.tokenIds;
  const { numLayers, numKvHeads, headDim } = model.model.config;
  return {
    cache: cache!,
    ...(earlier !== undefined && {
      tokenIds: Int32Array.from([...earlier, ...parts.flatMap(({ ids }) => ids)]),
    }),
    info: {
      kvd: packageVersion(),
      model: {
        name: model.name,
        hash: model.hash,
        layers: numLayers,
        kv_heads: numKvHeads,
        head_dim: headDim,
      },
      tokenizer: model.tokenizer.hash,
      tokens: start,
      next_position: position,
      segments,
    },
  };
}
