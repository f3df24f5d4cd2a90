/** Which model it is: a hash that tells it from any other, whatever its folder is called. */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { UserError } from '../base/errors.js';
import { fileError, readJson, writeFileAtomic } from '../base/files.js';
import { canonicalJson, hashOf, sha256 } from '../base/hash.js';
import { cacheDir } from '../base/paths.js';
import { checkpointFiles } from '../models/safetensors.js';

const CHUNK = 2 ** 24;
/** Larger files are hashed once and remembered by size and time, as reading them takes seconds. */
const REMEMBER = 2 ** 28;

/** Without a folder to write to, the next time takes as long. */
function remember(memo: string, path: string, hash: string): void {
  try {
    writeFileAtomic(memo, JSON.stringify({ path, hash }));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
  }
}

/** SHA-256 of a file of any size. */
function fileHash(path: string): string {
  const file = openSync(path, 'r');
  try {
    const { size, mtimeMs, ino, dev } = fstatSync(file);
    const memo = join(cacheDir(), 'hashes', `${hashOf([path, size, mtimeMs, ino, dev])}.json`);
    if (size > REMEMBER && existsSync(memo)) {
      const known = readJson(memo) as { hash?: unknown } | null;
      if (typeof known?.hash === 'string') return known.hash;
    }
    const digest = createHash('sha256');
    const chunk = Buffer.alloc(Math.min(CHUNK, Math.max(1, size)));
    for (let length = readSync(file, chunk); length > 0; length = readSync(file, chunk)) {
      digest.update(chunk.subarray(0, length));
    }
    const hash = digest.digest('hex');
    if (size > REMEMBER) remember(memo, path, hash);
    return hash;
  } finally {
    closeSync(file);
  }
}

/** SHA-256 over the configuration (however it is formatted) and the weights of the model in `folder`. */
export function modelHash(folder: string): string {
  const weights = checkpointFiles(folder).map((path) => {
    try {
      return fileHash(path);
    } catch (error) {
      throw fileError(error, path);
    }
  });
  return sha256([canonicalJson(readJson(join(folder, 'config.json'))), ...weights].join('\n'));
}
