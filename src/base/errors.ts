/** The two kinds of error: the user's (what, where, what to do; no stack) and ours (anything else). */

export interface UserErrorDetails {
  /** Where the problem stands: a file, `file:line:column`, or a key path. */
  where?: string;
  /** What the user can do about it: a sentence or a command. */
  hint?: string;
  /** Process exit code; 2 (usage or configuration) unless told. */
  exitCode?: number;
  cause?: unknown;
}

/** A problem the user can mend. Recognised by `code`, never by its text. */
export class UserError extends Error {
  readonly code: string;
  readonly where: string | undefined;
  readonly hint: string | undefined;
  readonly exitCode: number;

  constructor(code: string, message: string, details: UserErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'UserError';
    this.code = code;
    this.where = details.where;
    this.hint = details.hint;
    this.exitCode = details.exitCode ?? 2;
  }

  /** The message as a person reads it: where, what, and what to do. */
  describe(): string {
    const where = this.where === undefined ? '' : `${this.where}: `;
    const hint = this.hint === undefined ? '' : `\n  ${this.hint}`;
    return `${where}${this.message}${hint}`;
  }
}

/** The system error code (`ENOENT`, `EACCES`, …) that `error` carries, if any. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
