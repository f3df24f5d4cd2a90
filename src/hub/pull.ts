/** A repository's files fetched into the cache, every one checked. */
import { existsSync, lstatSync, mkdirSync, rmSync, statfsSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { datasetInfo, HubApiError, listFiles, modelInfo, type ListFileEntry } from '@huggingface/hub';
import { UserError } from '../base/errors.js';
import { fileError, writeFileAtomic } from '../base/files.js';
import { exclusively } from '../base/lock.js';
import { repositoryFolder, snapshotFolder } from './cache.js';
import { downloadFile } from './download.js';
import { digestOfName } from './digest.js';
import { isConnectionError, refusal, unreachable, type Asked } from './errors.js';
import { checkFileName, repositoryName, type Repository } from './repository.js';
import type { HubSettings } from './settings.js';

export interface RepositoryFile {
  /** Its name in the repository, with folders. */
  path: string;
  /** Bytes. */
  size: number;
  /** SHA-256 of a large file (LFS), git's SHA-1 of a small one: its name in `blobs`. */
  checksum: string;
}

export interface RemoteRepository {
  /** The commit that the revision stands for now. */
  commit: string;
  files: RepositoryFile[];
}

const ATTEMPTS = 4;

/** Address of a repository's page; those of its files begin with it. */
function pageOf({ kind, id }: Repository, { endpoint }: HubSettings): string {
  return `${endpoint}/${kind === 'model' ? '' : 'datasets/'}${id}`;
}

function askedOf(repository: Repository, settings: HubSettings, file?: string): Asked {
  return {
    where: `${repositoryName(repository)}${file === undefined ? '' : `: ${file}`}`,
    page: pageOf(repository, settings),
    withToken: settings.token !== undefined,
  };
}

/** Asks the hub's API, again where that may help. */
async function ask<T>(
  work: (request: typeof fetch) => Promise<T>,
  settings: HubSettings,
  asked: Asked,
): Promise<T> {
  const request: typeof fetch = (input, init) => {
    const headers = new Headers(init?.headers);
    // Not through the library, which takes no token of another kind than the hub's own.
    if (settings.token !== undefined && new Request(input).url.startsWith(`${settings.endpoint}/`)) {
      headers.set('authorization', `Bearer ${settings.token}`);
    }
    return fetch(input, { ...init, headers, signal: AbortSignal.timeout(settings.timeoutMs) });
  };
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(request);
    } catch (error) {
      const known = error instanceof HubApiError ? refusal(error.statusCode, asked) : undefined;
      if (known !== undefined) throw known;
      if (!(error instanceof HubApiError) && !isConnectionError(error)) throw error;
      if (attempt === ATTEMPTS) throw unreachable(error, asked, false);
      await new Promise((resolve) => setTimeout(resolve, settings.retryMs * 2 ** (attempt - 1)));
    }
  }
}

/** The files of a repository at a revision, with their checksums; names that lead outside it are refused. */
async function remoteRepository(repository: Repository, settings: HubSettings): Promise<RemoteRepository> {
  const { kind, id, revision } = repository;
  const asked = askedOf(repository, settings);
  const access = { hubUrl: settings.endpoint };
  const { sha: commit } = await ask(
    (request) => {
      const question = { ...access, name: id, revision, fetch: request };
      return kind === 'model'
        ? modelInfo({ ...question, additionalFields: ['sha'] })
        : datasetInfo({ ...question, additionalFields: ['sha'] });
    },
    settings,
    asked,
  );
  const strange = (what: string): UserError =>
    new UserError('strange-answer', `the hub's answer makes no sense: ${what}`, {
      where: asked.where,
      hint: 'Check HF_ENDPOINT.',
      exitCode: 1,
    });
  if (!/^[0-9a-f]{40}$/.test(String(commit))) throw strange(`"${String(commit)}" is no commit`);
  const entries = await ask(
    async (request) => {
      const repo = { type: kind, name: id };
      const found: ListFileEntry[] = [];
      for await (const entry of listFiles({
        ...access,
        repo,
        revision: commit,
        recursive: true,
        fetch: request,
      })) {
        found.push(entry);
      }
      return found;
    },
    settings,
    asked,
  );
  const files = entries
    .filter(({ type }) => type === 'file')
    .map(({ path, size, oid, lfs }): RepositoryFile => {
      checkFileName(path, repository);
      const checksum = lfs?.oid ?? oid ?? '';
      if (digestOfName(checksum) === undefined) throw strange(`"${checksum}" is no checksum (${path})`);
      return { path, size: lfs?.size ?? size, checksum };
    });
  return { commit, files };
}

/** Lets `snapshots/<commit>/<path>` lead to the blob. */
function link(blob: string, pointer: string): void {
  mkdirSync(dirname(pointer), { recursive: true });
  if (lstatSync(pointer, { throwIfNoEntry: false }) !== undefined) rmSync(pointer);
  symlinkSync(relative(dirname(pointer), blob), pointer);
}

function checkSpace(folder: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize >= bytes) return;
  const gigabytes = (count: number): string => `${(count / 1e9).toFixed(1)} GB`;
  throw new UserError('disk-full', `${gigabytes(bytes)} are wanted, ${gigabytes(bavail * bsize)} are free`, {
    where: folder,
    hint: 'Free some space, or set HF_HOME to a folder on another disk.',
  });
}

/** What a pull will fetch. */
export interface PullPlan {
  repository: Repository;
  commit: string;
  files: RepositoryFile[];
  /** Bytes of all files. */
  bytes: number;
}

/**
 * Asks the hub what is to be fetched.
 * @param wanted the names to fetch, out of all
 */
export async function planPull(
  repository: Repository,
  wanted: (names: readonly string[]) => readonly string[],
  settings: HubSettings,
): Promise<PullPlan> {
  const name = repositoryName(repository);
  if (settings.offline) {
    const there = snapshotFolder(repository, settings.cache);
    throw new UserError('offline', `HF_HUB_OFFLINE is set: ${name} cannot be fetched`, {
      hint:
        there === undefined
          ? 'Unset it and run the command again.'
          : `What was pulled before is in ${there}.`,
    });
  }
  const { commit, files: all } = await remoteRepository(repository, settings);
  const names = new Set(wanted(all.map(({ path }) => path)));
  const files = all.filter(({ path }) => names.has(path));
  if (files.length === 0) {
    const some = all.slice(0, 20).map(({ path }) => path);
    throw new UserError('nothing-to-pull', 'holds no file that is wanted', {
      where: name,
      hint: `It holds: ${some.join(', ') || 'nothing'}. Pick with --include.`,
    });
  }
  return { repository, commit, files, bytes: files.reduce((sum, { size }) => sum + size, 0) };
}

export interface PullHooks {
  /** Bytes that have arrived or were there, of all files together, and the file that is at it. */
  progress(bytes: number, file: string): void;
  /** Called where another process pulls the same repository. */
  waiting(): void;
}

/** Fetches one file into `blobs` unless it is there, and lets its name in the snapshot lead to it. */
async function pullFile(
  { repository, commit }: PullPlan,
  { path, size, checksum }: RepositoryFile,
  settings: HubSettings,
  onBytes: (count: number) => void,
): Promise<void> {
  const folder = repositoryFolder(repository, settings.cache);
  const blob = join(folder, 'blobs', checksum);
  const encoded = path.split('/').map(encodeURIComponent).join('/');
  const download = {
    url: `${pageOf(repository, settings)}/resolve/${commit}/${encoded}`,
    path: blob,
    size,
    digest: digestOfName(checksum),
    token: settings.token,
    asked: askedOf(repository, settings, path),
  };
  await downloadFile(download, settings, onBytes);
  link(blob, join(folder, 'snapshots', commit, path));
}

/**
 * Fetches what was planned into the cache and returns the snapshot's folder. The revision's name leads to the new
 * commit only once every file is there and checked.
 */
export async function carryOut(plan: PullPlan, settings: HubSettings, hooks: PullHooks): Promise<string> {
  const { repository, commit, files } = plan;
  const folder = repositoryFolder(repository, settings.cache);
  const blobs = join(folder, 'blobs');
  try {
    mkdirSync(blobs, { recursive: true });
  } catch (error) {
    throw fileError(error, folder);
  }
  const work = async (): Promise<string> => {
    const there = (name: string): number => statSync(join(blobs, name), { throwIfNoEntry: false })?.size ?? 0;
    const missing = files.filter(({ checksum }) => !existsSync(join(blobs, checksum)));
    const bytes = missing.map(({ size, checksum }) => size - there(`${checksum}.incomplete`));
    checkSpace(
      folder,
      bytes.reduce((a, b) => a + b, 0),
    );
    let done = 0;
    for (const file of files) {
      await pullFile(plan, file, settings, (count) => {
        done += count;
        hooks.progress(done, file.path);
      });
    }
    if (repository.revision !== commit) writeFileAtomic(join(folder, 'refs', repository.revision), commit);
    return join(folder, 'snapshots', commit);
  };
  return exclusively(join(folder, '.kvd-pull.lock'), work, () => hooks.waiting());
}
