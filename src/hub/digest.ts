/** Checksums as the hub has them: SHA-256 of large files, git's own of small ones. */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { fileError } from '../base/files.js';

export interface Digest {
  algorithm: 'sha256' | 'git-sha1';
  /** Lower-case hex. */
  hex: string;
}

/** A hash that the bytes of a file of `size` are to be given to. */
export function startDigest(algorithm: Digest['algorithm'], size: number): Hash {
  // Git hashes a file with its kind and its length before it.
  return algorithm === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
}

/** The checksum that a file's name in `blobs` is; undefined where it is none. */
export function digestOfName(name: string): Digest | undefined {
  if (/^[0-9a-f]{64}$/.test(name)) return { algorithm: 'sha256', hex: name };
  if (/^[0-9a-f]{40}$/.test(name)) return { algorithm: 'git-sha1', hex: name };
  return undefined;
}

const CHUNK = 4 * 2 ** 20;

/**
 * Gives a file's bytes to `hash`, a piece at a time, and lets other work run in between.
 * @param onBytes told how many bytes each piece has
 */
export async function feedFile(
  hash: Hash,
  path: string,
  onBytes: (count: number) => void = () => undefined,
): Promise<void> {
  try {
    const file = openSync(path, 'r');
    try {
      const buffer = Buffer.alloc(CHUNK);
      for (;;) {
        const read = readSync(file, buffer, 0, CHUNK, null);
        if (read === 0) return;
        hash.update(buffer.subarray(0, read));
        onBytes(read);
        await new Promise(setImmediate);
      }
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw fileError(error, path);
  }
}

/** Checksum of a file, in hex. */
export async function digestFile(
  path: string,
  algorithm: Digest['algorithm'],
  size: number,
  onBytes?: (count: number) => void,
): Promise<string> {
  const hash = startDigest(algorithm, size);
  await feedFile(hash, path, onBytes);
  return hash.digest('hex');
}
