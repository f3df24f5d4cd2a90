/** The server's routes: contexts, models, chat completions. */
import { Hono, type Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { randomUUID } from 'node:crypto';
import type { ContextModel } from '../contexts/model.js';
import { guard, type Access } from './access.js';
import { Asker } from './asker.js';
import { answerStreamed, answerWhole } from './replies.js';
import { parseChat, type ChatLimits } from './chat.js';
import { ContextMaker, describeContext, type ContextLimits } from './context-maker.js';
import { ApiError, asApiError, errorBody } from './errors.js';
import { Shelf, type Shelved, type ShelfLimits } from './shelf.js';
import { WorkQueue } from './work-queue.js';
import type { Compressor } from '../contexts/compress.js';

export interface ServerLimits extends ShelfLimits, ChatLimits, ContextLimits {
  /** Most bytes of a request's body. */
  bodyBytes: number;
  /** Most requests under way and waiting. */
  queue: number;
  /** Most requests of a context that are answered together. */
  batch: number;
}

export interface ServerOptions {
  model: ContextModel;
  /** How uploaded contexts are compressed. */
  compressor: Compressor;
  /** Share of rows kept of contexts that name none. */
  retention: number;
  access: Access;
  limits: ServerLimits;
  /** Takes what went wrong in the server itself. */
  onError: (error: unknown) => void;
}

export interface Service {
  app: Hono;
  shelf: Shelf;
  /** Answers what is under way, lets nothing more in, and frees all contexts. */
  close(): Promise<void>;
}

async function jsonOf(c: Context): Promise<unknown> {
  const type = c.req.header('content-type') ?? '';
  // A page of another site can send anything but this without being asked first.
  if (!/^application\/json\b/i.test(type)) {
    throw new ApiError(415, 'unsupported_media_type', 'The body must be application/json.');
  }
  try {
    return await c.req.json<unknown>();
  } catch {
    throw new ApiError(400, 'invalid_json', 'The body is not JSON.');
  }
}

/** The service of a model: routes to be served over HTTP, and how it ends. */
export function makeService(options: ServerOptions): Service {
  const { model, limits, onError } = options;
  const queue = new WorkQueue(limits.queue);
  const shelf = new Shelf(limits);
  const asker = new Asker(model, queue, shelf, limits.batch);
  const maker = new ContextMaker(options, shelf, queue);
  const app = new Hono();

  app.onError((error, c) => {
    const told = asApiError(error);
    if (told.status === 500) onError(error);
    if (told.status === 429) c.header('retry-after', '1');
    return c.json(errorBody(told), told.status);
  });
  app.notFound((c) =>
    c.json(errorBody(new ApiError(404, 'unknown_url', `There is no ${c.req.method} ${c.req.path}.`)), 404),
  );
  app.use(guard(options.access));
  app.use(
    bodyLimit({
      maxSize: limits.bodyBytes,
      onError: () => {
        throw new ApiError(413, 'body_too_large', `The body is larger than ${limits.bodyBytes} bytes.`);
      },
    }),
  );

  app.use('/v1/*', async (_, next) => {
    queue.checkOpen();
    await next();
  });

  app.get('/health', (c) => c.json({ status: 'ok', model: model.name }));
  app.get('/v1/contexts', (c) => c.json({ object: 'list', data: shelf.list().map(describeContext) }));
  app.post('/v1/contexts', async (c) => c.json(describeContext(await maker.make(await jsonOf(c))), 201));
  app.get('/v1/contexts/:id', (c) => c.json(describeContext(shelf.get(c.req.param('id'), 'id'))));
  app.delete('/v1/contexts/:id', (c) => {
    const { id } = shelf.remove(c.req.param('id'), 'id');
    return c.json({ id, object: 'context.deleted', deleted: true });
  });

  const asModel = ({ id, created }: Shelved): object => ({ id, object: 'model', created, owned_by: 'kvd' });
  app.get('/v1/models', (c) => c.json({ object: 'list', data: shelf.list().map(asModel) }));
  app.get('/v1/models/:id', (c) => c.json(asModel(shelf.get(c.req.param('id'), 'model'))));

  app.post('/v1/chat/completions', async (c) => {
    const request = parseChat(await jsonOf(c), model.tokenizer, limits);
    const shelved = shelf.get(request.context, 'model');
    const head = {
      id: `chatcmpl-${randomUUID()}`,
      created: Math.floor(Date.now() / 1000),
      model: request.model,
    };
    const reply = { asker, shelved, request, head, leave: asker.enter(shelved) };
    if (!request.stream) return c.json(await answerWhole(reply, c.req.raw.signal));
    return answerStreamed(c, reply, onError);
  });

  return {
    app,
    shelf,
    close: async () => {
      await queue.close();
      shelf.dispose();
    },
  };
}
