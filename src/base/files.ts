/** Files read with clear errors and written atomically. */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errnoOf, UserError } from './errors.js';

const REASONS: Record<string, [code: string, text: string, hint: string]> = {
  ENOENT: ['missing-file', 'no such file or folder', 'Check the path.'],
  EACCES: ['no-permission', 'permission denied', 'Check the permissions, or choose another path.'],
  EPERM: ['no-permission', 'not permitted', 'Check the permissions, or choose another path.'],
  EROFS: ['read-only', 'the file system is read-only', 'Choose another path.'],
  ENOSPC: ['disk-full', 'no space left on the device', 'Free some space and run the command again.'],
  EDQUOT: ['disk-full', 'the disk quota is used up', 'Free some space and run the command again.'],
  EISDIR: ['not-a-file', 'is a folder, not a file', 'Name a file.'],
  EEXIST: ['file-exists', 'a file of that name is in the way', 'Choose another path.'],
  ESTALE: ['share-vanished', 'the network share is gone', 'Mount it again and run the command again.'],
  EIO: [
    'input-output',
    'the disk or share cannot be read or written',
    'Check it, and run the command again.',
  ],
  ENOTCONN: ['share-vanished', 'the network share is gone', 'Mount it again and run the command again.'],
  ETIMEDOUT: ['share-vanished', 'the network share does not answer', 'Run the command again when it does.'],
  EFBIG: ['disk-full', 'the file is larger than the limit allows', 'Raise the limit (ulimit -f).'],
  ENOTDIR: ['not-a-folder', 'a part of the path is a file, not a folder', 'Check the path.'],
};

/** A system error about `path` as a UserError; anything else unchanged. */
export function fileError(error: unknown, path: string): unknown {
  const reason = REASONS[errnoOf(error) ?? ''];
  if (reason === undefined) return error;
  return new UserError(reason[0], reason[1], { where: path, hint: reason[2], cause: error });
}

/** Text of a UTF-8 file of at most `maxBytes` (64 MiB unless told). */
export function readText(path: string, maxBytes = 64 * 2 ** 20): string {
  try {
    const { size } = statSync(path);
    if (size > maxBytes) {
      throw new UserError('file-too-large', `is ${size} bytes, more than the ${maxBytes} allowed`, {
        where: path,
      });
    }
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw fileError(error, path);
  }
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new UserError('bad-json', `not valid JSON: ${(error as Error).message}`, { where });
  }
}

/** Parsed JSON file; a syntax error is a UserError that names the file. */
export function readJson(path: string, maxBytes?: number): unknown {
  return parseJson(readText(path, maxBytes), path);
}

/** Values of a JSON Lines file, empty lines left out; a syntax error is a UserError with file and line. */
export function readJsonLines(path: string, maxBytes?: number): { line: number; value: unknown }[] {
  return readText(path, maxBytes)
    .split('\n')
    .map((text, i) => ({ text, line: i + 1 }))
    .filter(({ text }) => text.trim() !== '')
    .map(({ text, line }) => ({ line, value: parseJson(text, `${path}:${line}`) }));
}

/**
 * Writes a file so that a reader sees the old content or the whole new one, whatever happens:
 * a temporary file beside it, flushed to disk, then renamed.
 */
export function writeFileAtomic(path: string, chunks: string | Uint8Array | Iterable<Uint8Array>): void {
  const target = resolve(path);
  const temporary = `${target}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(target), { recursive: true });
    const file = openSync(temporary, 'w');
    try {
      const parts =
        typeof chunks === 'string' ? [Buffer.from(chunks)] : chunks instanceof Uint8Array ? [chunks] : chunks;
      for (const part of parts) {
        for (let done = 0; done < part.byteLength;) done += writeSync(file, part, done);
      }
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw fileError(error, path);
  }
}
