/** Hugging Face's cache layout, shared with Python: `models--org--name/{blobs,refs,snapshots}`. */
import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../base/errors.js';
import { digestFile, digestOfName } from './digest.js';
import { repositoryName, type Repository, type RepositoryKind } from './repository.js';
import { hubCache } from './settings.js';

const COMMIT = /^[0-9a-f]{40}$/;

/** Folder of a repository, whether it exists or not. */
export function repositoryFolder({ kind, id }: Repository, cache = hubCache()): string {
  return join(cache, [`${kind}s`, ...id.split('/')].join('--'));
}

/** The commit that a revision stood for when it was pulled; undefined where it was not. */
function cachedCommit(repository: Repository, cache = hubCache()): string | undefined {
  const folder = repositoryFolder(repository, cache);
  const { revision } = repository;
  const ref = join(folder, 'refs', revision);
  if (existsSync(ref) && statSync(ref).isFile()) return readFileSync(ref, 'utf8').trim();
  if (!/^[0-9a-f]{7,40}$/.test(revision) || !existsSync(join(folder, 'snapshots'))) return undefined;
  const commits = readdirSync(join(folder, 'snapshots')).filter((name) => name.startsWith(revision));
  return commits.length === 1 ? commits[0] : undefined;
}

/** Folder of a pulled repository's files at a revision; undefined where it was not pulled. */
export function snapshotFolder(repository: Repository, cache = hubCache()): string | undefined {
  const commit = cachedCommit(repository, cache);
  if (commit === undefined || !COMMIT.test(commit)) return undefined;
  const folder = join(repositoryFolder(repository, cache), 'snapshots', commit);
  return existsSync(folder) ? folder : undefined;
}

/** A snapshot's files, by their names in the repository, sorted. */
export function snapshotFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => !lstatSync(join(folder, name)).isDirectory())
    .sort();
}

/** Bytes of a snapshot's files. */
export function snapshotBytes(folder: string): number {
  return snapshotFiles(folder)
    .map((file) => statSync(join(folder, file), { throwIfNoEntry: false })?.size ?? 0)
    .reduce((a, b) => a + b, 0);
}

export interface CachedSnapshot {
  repository: Repository;
  commit: string;
  folder: string;
  /** Bytes of its files. */
  bytes: number;
}

/** Every pulled snapshot of a kind of repository, in the order of names; one that no name leads to by its commit. */
export function cachedSnapshots(kind: RepositoryKind, cache = hubCache()): CachedSnapshot[] {
  if (!existsSync(cache)) return [];
  const prefix = `${kind}s--`;
  return readdirSync(cache)
    .filter((name) => name.startsWith(prefix) && existsSync(join(cache, name, 'snapshots')))
    .sort()
    .flatMap((name) => {
      const id = name.slice(prefix.length).replace('--', '/');
      const refs = join(cache, name, 'refs');
      const named = new Map<string, string>();
      for (const ref of existsSync(refs) ? snapshotFiles(refs) : []) {
        named.set(readFileSync(join(refs, ref), 'utf8').trim(), ref);
      }
      return readdirSync(join(cache, name, 'snapshots'))
        .filter((commit) => COMMIT.test(commit))
        .map((commit) => {
          const folder = join(cache, name, 'snapshots', commit);
          return {
            repository: { kind, id, revision: named.get(commit) ?? commit },
            commit,
            folder,
            bytes: snapshotBytes(folder),
          };
        });
    });
}

export interface FileCheck {
  name: string;
  bytes: number;
  /** `unknown`: no checksum is recorded for it. */
  state: 'correct' | 'wrong' | 'missing' | 'unknown';
}

/** Checks one file of a snapshot against the checksum by which the cache names it. */
export async function checkSnapshotFile(
  folder: string,
  name: string,
  onBytes?: (count: number) => void,
): Promise<FileCheck> {
  const path = join(folder, name);
  if (!existsSync(path)) return { name, bytes: 0, state: 'missing' };
  const blob = realpathSync(path);
  const bytes = statSync(blob).size;
  const digest = basename(dirname(blob)) === 'blobs' ? digestOfName(basename(blob)) : undefined;
  if (digest === undefined) return { name, bytes, state: 'unknown' };
  const found = await digestFile(blob, digest.algorithm, bytes, onBytes);
  return { name, bytes, state: found === digest.hex ? 'correct' : 'wrong' };
}

/**
 * Removes a pulled repository whole, or one revision of it with the blobs that no other revision has.
 * @param whole all revisions, whichever the repository names
 * @returns bytes freed
 */
export function removeCached(repository: Repository, whole: boolean, cache = hubCache()): number {
  const folder = repositoryFolder(repository, cache);
  const snapshot = snapshotFolder(repository, cache);
  if (!existsSync(folder) || (!whole && snapshot === undefined)) {
    throw new UserError('not-pulled', `${repositoryName(repository)} is not in the cache`, {
      where: cache,
      hint: 'See `kvd models list`.',
    });
  }
  const before = bytesBelow(folder);
  const snapshots = readdirSync(join(folder, 'snapshots'));
  if (whole || snapshots.length === 1) {
    rmSync(folder, { recursive: true });
    return before;
  }
  rmSync(snapshot!, { recursive: true });
  const refs = join(folder, 'refs');
  for (const ref of existsSync(refs) ? snapshotFiles(refs) : []) {
    if (readFileSync(join(refs, ref), 'utf8').trim() === basename(snapshot!)) rmSync(join(refs, ref));
  }
  const used = new Set(
    readdirSync(join(folder, 'snapshots')).flatMap((commit) => {
      const kept = join(folder, 'snapshots', commit);
      const files = snapshotFiles(kept).map((file) => join(kept, file));
      return files.filter((file) => existsSync(file)).map((file) => realpathSync(file));
    }),
  );
  const blobs = join(folder, 'blobs');
  for (const blob of existsSync(blobs) ? readdirSync(blobs) : []) {
    // What leads out of the cache is removed itself, not what it leads to.
    const path = join(blobs, blob);
    if (!existsSync(path) || !used.has(realpathSync(path))) rmSync(path);
  }
  return before - bytesBelow(folder);
}

function bytesBelow(folder: string): number {
  return snapshotFiles(folder)
    .map((file) => lstatSync(join(folder, file)).size)
    .reduce((a, b) => a + b, 0);
}
