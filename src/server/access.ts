/** Who may use the server: holders of its token, or this machine alone. */
import { timingSafeEqual } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { UserError } from '../base/errors.js';
import { sha256 } from '../base/hash.js';
import { ApiError } from './errors.js';

export interface Access {
  /** Address that the server listens on. */
  host: string;
  /** What clients must send as their API key; needed on any address but a loopback one. */
  token?: string | undefined;
}

const SHORTEST_TOKEN = 16;

/** Whether an address reaches this machine alone. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Refuses a server that anyone in the network could use. */
export function checkAccess({ host, token }: Access): void {
  if (token !== undefined && token.length < SHORTEST_TOKEN) {
    throw new UserError('weak-token', `the token has fewer than ${SHORTEST_TOKEN} characters`, {
      where: '--token',
      hint: 'Take a random one, such as that of `openssl rand -hex 24`.',
    });
  }
  if (token !== undefined || isLoopback(host)) return;
  throw new UserError('no-token', `${host} can be reached from other machines, and no token is set`, {
    where: '--host',
    hint: 'Set KVD_TOKEN to a random token, or listen on 127.0.0.1.',
  });
}

function digest(text: string): Buffer {
  return Buffer.from(sha256(text));
}

/** The host in a request's Host header, without its port. */
function hostOf(header: string | undefined): string {
  return (header ?? '').replace(/:\d+$/, '').toLowerCase();
}

/** Lets requests through that bring the token or, where there is none, were made to this machine by its own name. */
export function guard({ token }: Access): MiddlewareHandler {
  const wanted = token === undefined ? undefined : digest(token);
  return async (c, next) => {
    if (wanted === undefined) {
      // Else a page of another site could reach the server by a name that it points here.
      const host = hostOf(c.req.header('host'));
      if (!isLoopback(host))
        throw new ApiError(403, 'wrong_host', `The server is not called ${JSON.stringify(host)}.`);
    } else {
      const [, given] = /^Bearer (.+)$/i.exec(c.req.header('authorization') ?? '') ?? [];
      // Digests have one length, so that the time of comparing them tells nothing of the token.
      if (given === undefined || !timingSafeEqual(digest(given), wanted)) {
        throw new ApiError(
          401,
          'invalid_api_key',
          'The API key is missing or wrong: send the token of the server.',
        );
      }
    }
    await next();
  };
}
