/** What the hub refuses, and what fails on the way to it, as problems that a user can mend. */
import { HubApiError } from '@huggingface/hub';
import { UserError } from '../base/errors.js';

/** What a request was about, for messages. */
export interface Asked {
  /** What is named as the place: a repository, with the file where there is one, or an address. */
  where: string;
  /** The repository's page, where access to it is asked for; undefined for files that are not the hub's. */
  page?: string | undefined;
  /** Whether a token went along. */
  withToken: boolean;
}

function refused(status: number, { where, page, withToken }: Asked): UserError {
  const login = 'set HF_TOKEN to a token with read access';
  const hint =
    page === undefined
      ? 'Fetch the file by hand, or check the address.'
      : withToken
        ? `Your token is not enough. If access is restricted, ask for it on ${page}; once it is granted, run the command again.`
        : `It may be private, misspelt or gated. If it is gated, accept its terms on ${page}, ${login}, and run the command again.`;
  const reason = status === 403 ? 'access is not granted' : 'the server wants to know who asks';
  return new UserError('access-refused', `${reason} (status ${status})`, { where, hint });
}

/** A reply of `status` as a UserError; undefined where asking again may help. */
export function refusal(status: number, asked: Asked): UserError | undefined {
  const { where, page } = asked;
  if (status === 401 || status === 403) return refused(status, asked);
  if (status === 404) {
    return new UserError('not-found', 'is not there (status 404)', {
      where,
      hint: page === undefined ? 'Check the address.' : 'Check the name, the revision and HF_ENDPOINT.',
    });
  }
  if (status === 408 || status === 429 || status >= 500) return undefined;
  return new UserError('refused', `the server answers with status ${status}`, { where, exitCode: 1 });
}

/** Words for an error of `fetch` or of a connection. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return 'no answer in time';
  if (error instanceof HubApiError) return `status ${error.statusCode}`;
  const { cause } = error;
  return cause instanceof Error ? cause.message || error.message : error.message;
}

/** What remains to be said once all repetitions have failed. */
export function unreachable(error: unknown, { where }: Asked, kept: boolean): UserError {
  return new UserError('unreachable', `the connection failed again and again: ${reasonOf(error)}`, {
    where,
    hint: `Check the network and HF_ENDPOINT, then run the command again${kept ? '; it goes on where it stopped' : ''}.`,
    exitCode: 1,
    cause: error,
  });
}

/** A connection that broke off, or a reply after which asking again may help. */
export class ConnectionError extends Error {}

/** What `fetch` says when a connection cannot be made, and when it breaks off. */
const FETCH_FAILURES = ['fetch failed', 'terminated'];

/** Whether an error comes from the network and not from our side. */
export function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof TypeError) return FETCH_FAILURES.includes(error.message);
  return error instanceof ConnectionError || error.name === 'TimeoutError' || error.name === 'AbortError';
}
