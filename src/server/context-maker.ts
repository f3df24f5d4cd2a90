/** Contexts made of what clients upload. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { compressParts, type Compressor } from '../contexts/compress.js';
import { contextSize } from '../contexts/context.js';
import { partsOf, type Part } from '../contexts/documents.js';
import type { ContextModel } from '../contexts/model.js';
import { parseBody } from './chat.js';
import { ApiError } from './errors.js';
import type { Shelf, Shelved } from './shelf.js';
import type { WorkQueue } from './work-queue.js';

const share = z.number().gt(0).max(1);
const place = z.int().min(0);
const name = z.string().max(200);

const documentSchema = z.strictObject({
  text: z.string().min(1),
  name: name.optional(),
  retention: share.optional(),
  spans: z
    .array(z.strictObject({ from: place.optional(), to: place.optional(), retention: share }))
    .max(1000)
    .optional(),
});

const uploadSchema = z
  .strictObject({
    name: name.optional(),
    text: z.string().min(1).optional(),
    documents: z.array(documentSchema).min(1).max(1000).optional(),
    retention: share.optional(),
    question: z.string().optional(),
    /** Id of a context to append to. */
    after: z.string().optional(),
  })
  .refine(({ text, documents }) => (text === undefined) !== (documents === undefined), {
    message: 'give a text, or documents',
  });

export interface ContextLimits {
  /** Most tokens of a context before it is compressed. */
  contextTokens: number;
}

/** What a client is told of a context. */
export function describeContext({ id, name, created, context }: Shelved): object {
  const { tokens, rows, bytes, uncompressedBytes } = contextSize(context);
  const { model, segments } = context.info;
  return {
    id,
    object: 'context',
    name,
    created,
    model: model.name,
    tokens,
    rows,
    bytes,
    uncompressed_bytes: uncompressedBytes,
    segments,
  };
}

export class ContextMaker {
  constructor(
    private readonly options: {
      model: ContextModel;
      compressor: Compressor;
      retention: number;
      limits: ContextLimits;
    },
    private readonly shelf: Shelf,
    private readonly queue: WorkQueue,
  ) {}

  /** @param before tokens of the context that the parts are appended to */
  private checkLength(parts: readonly Part[], before: number): void {
    const { limits } = this.options;
    const tokens = parts.reduce((sum, { ids }) => sum + ids.length, before);
    if (tokens <= limits.contextTokens) return;
    throw new ApiError(
      413,
      'context_too_long',
      `The context is ${tokens} tokens, more than ${limits.contextTokens}.`,
    );
  }

  /** Compresses an upload and puts it on the shelf. */
  async make(body: unknown): Promise<Shelved> {
    const { model, compressor } = this.options;
    const upload = parseBody(uploadSchema, body);
    const retention = upload.retention ?? this.options.retention;
    const documents = upload.documents ?? [{ text: upload.text!, name: upload.name }];
    const after = upload.after === undefined ? undefined : this.shelf.get(upload.after, 'after');
    this.shelf.checkRoom();
    const parts = partsOf(model.tokenizer, documents, retention, after !== undefined);
    this.checkLength(parts, after?.context.info.tokens ?? 0);
    const leave = this.queue.enter();
    const done = after && this.shelf.read(after);
    try {
      const context = await this.queue.run(() =>
        compressParts(model, parts, {
          ...compressor,
          question: upload.question,
          after: after?.context,
        }),
      );
      return this.shelf.add(`ctx-${randomUUID()}`, upload.name ?? null, context);
    } finally {
      done?.();
      leave();
    }
  }
}
