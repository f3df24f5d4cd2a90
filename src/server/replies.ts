/** Answers to chat completions, whole or as they grow. */
import type { Context } from 'hono';
import { streamSSE } from 'hono/streaming';
import type { Asker, Request } from './asker.js';
import {
  chunk,
  completion,
  usageChunk,
  usageOf,
  type AnswerHead,
  type ChatRequest,
  type Usage,
} from './chat.js';
import { asApiError, errorBody } from './errors.js';
import type { Shelved } from './shelf.js';

/** What a reply is made of. */
export interface Reply {
  asker: Asker;
  shelved: Shelved;
  request: ChatRequest;
  head: AnswerHead;
  /** Gives the request's place back. */
  leave: () => void;
}

function usage({ shelved, request }: Reply, tokens: number): Usage {
  return usageOf(shelved.context.info.tokens, request.prompt.length, tokens);
}

/** The whole answer. */
export async function answerWhole(reply: Reply, signal: AbortSignal): Promise<object> {
  const { asker, shelved, request, head, leave } = reply;
  let text = '';
  let tokens = 0;
  let finish = 'stop';
  const onPiece: Request['onPiece'] = (piece) => {
    text += piece.text;
    tokens = piece.tokens;
    finish = piece.finish ?? finish;
  };
  await asker.ask(shelved, { ...request, onPiece, gone: () => signal.aborted }, leave);
  return completion(head, text, finish, usage(reply, tokens));
}

/** The answer as server-sent events; an error in the middle of it is one of them. */
export function answerStreamed(c: Context, reply: Reply, onError: (error: unknown) => void): Response {
  const { asker, shelved, request, head, leave } = reply;
  return streamSSE(c, async (stream) => {
    let sent = Promise.resolve();
    const send = (data: object | string): void => {
      const text = typeof data === 'string' ? data : JSON.stringify(data);
      sent = sent.then(() => stream.writeSSE({ data: text }));
    };
    let tokens = 0;
    const onPiece: Request['onPiece'] = (piece) => {
      tokens = piece.tokens;
      if (piece.text !== '') send(chunk(head, { content: piece.text }));
      if (piece.finish !== undefined) send(chunk(head, {}, piece.finish));
    };
    send(chunk(head, { role: 'assistant', content: '' }));
    try {
      await asker.ask(shelved, { ...request, onPiece, gone: () => stream.aborted }, leave);
      if (request.includeUsage) send(usageChunk(head, usage(reply, tokens)));
      send('[DONE]');
    } catch (error) {
      const told = asApiError(error);
      if (told.status === 500) onError(error);
      send(errorBody(told));
    }
    await sent;
  });
}
