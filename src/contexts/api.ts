/** Compressed contexts for programs: documents in, a context out, questions to it. */
import { UserError } from '../base/errors.js';
import { methods } from '../methods/index.js';
import type { LoadedAdapter } from './adapter.js';
import { askStream as stream } from './ask.js';
import { compressDocuments, type Compressor } from './compress.js';
import type { CompressedContext } from './context.js';
import { checkRetention, type DocumentInput } from './documents.js';
import type { ContextModel } from './model.js';

/** How documents are compressed. Shares are of rows kept, above 0 and at most 1. */
export interface CompressOptions {
  /** Share of rows kept of documents that name none; 0.2 unless given, and 1 keeps them whole. */
  retention?: number;
  /** An adapter, whose method compresses unless another is named. */
  adapter?: LoadedAdapter | undefined;
  /** Name of a method (`kvd methods list`); the adapter's unless given. */
  method?: string | undefined;
  /** The method's own options; its defaults unless given. */
  methodOptions?: Record<string, unknown> | undefined;
  /** Longer documents and spans are compressed in folds of this many tokens, as the adapter was trained. */
  foldTokens?: number | undefined;
  /** The question to compress for, where the method is question-aware. */
  question?: string | undefined;
  /** A context to append to; it stays as it is. */
  after?: CompressedContext | undefined;
  /** Called before each document or span with how many are done, and of how many. */
  onPart?: ((done: number, total: number) => void) | undefined;
}

/** How `options` compress. */
export function compressorOf(options: CompressOptions): Compressor {
  const { adapter, method, methodOptions, foldTokens, question } = options;
  if (method === undefined && adapter === undefined) {
    throw new UserError('no-method', 'neither a method nor an adapter is given', {
      hint: `Load an adapter, or name a method that needs none: ${methods
        .list()
        .filter(({ needs }) => !needs.training)
        .map(({ name }) => name)
        .join(', ')}.`,
    });
  }
  const chosen = method === undefined ? adapter!.method : methods.get(method);
  return { method: chosen, options: methodOptions, adapter, foldTokens, question };
}

/**
 * Compresses a document, or several one after the other, each at its own ratio and spans of it at theirs. The caller
 * frees the context with `disposeContext`. What cannot be done as asked is a UserError.
 */
export async function compress(
  model: ContextModel,
  documents: string | DocumentInput | readonly (string | DocumentInput)[],
  options: CompressOptions = {},
): Promise<CompressedContext> {
  const { retention = 0.2, after, onPart } = options;
  checkRetention(retention, 'retention');
  const inputs = [documents]
    .flat()
    .map((one) => (typeof one === 'string' ? { text: one } : one)) as DocumentInput[];
  return compressDocuments(model, inputs, { ...compressorOf(options), retention, after, onPart });
}

/** How far an answer goes. */
export interface AskOptions {
  /** Most tokens of an answer; 128 unless given. */
  maxNewTokens?: number;
}

/**
 * The answer to a question, decoded greedily, as pieces of text that come as soon as they are sure; none is empty. The context
 * stays as it is. What follows each piece may run other work: nothing is computed until the next one is asked for.
 */
export function askStream(
  model: ContextModel,
  context: CompressedContext,
  question: string,
  options: AskOptions = {},
): AsyncGenerator<string, void> {
  return stream(model, context.cache, question, { maxNewTokens: options.maxNewTokens ?? 128 });
}

/** The whole answer to a question (see `askStream`), without white space at its ends. */
export async function ask(
  model: ContextModel,
  context: CompressedContext,
  question: string,
  options: AskOptions = {},
): Promise<string> {
  let answer = '';
  for await (const piece of askStream(model, context, question, options)) answer += piece;
  return answer;
}
