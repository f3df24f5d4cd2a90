/** Errors as OpenAI's API states them. */
import { UserError } from '../base/errors.js';

/** A request that cannot be served, and why. */
export class ApiError extends Error {
  constructor(
    readonly status: 400 | 401 | 403 | 404 | 413 | 415 | 429 | 500 | 503,
    readonly code: string,
    message: string,
    /** Field of the request that is wrong. */
    readonly param: string | null = null,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  429: 'rate_limit_error',
  500: 'server_error',
  503: 'server_error',
};

/** `error` as one to answer with: what the user can mend is told, anything else only that it happened. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof UserError) return new ApiError(400, error.code, error.describe(), error.where ?? null);
  return new ApiError(500, 'internal_error', 'The server failed; its log says how.');
}

/** The body of an error. */
export function errorBody({ status, code, message, param }: ApiError): object {
  return { error: { message, type: TYPES[status] ?? 'invalid_request_error', param, code } };
}
