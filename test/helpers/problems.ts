/** Errors that a user can mend. */
import { expect } from 'vitest';
import { UserError } from '../../src/base/errors.js';

/** The UserError that `work` throws. */
export function problemOf(work: () => unknown): UserError {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return error as UserError;
  }
  throw new Error('nothing was wrong');
}

/** The UserError with which `work` ends. */
export async function problemOfAsync(work: Promise<unknown>): Promise<UserError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  return error as UserError;
}
