/** Where a dataset's files come from, on what terms, and where they lie once they are fetched. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import { cacheDir } from '../base/paths.js';
import { snapshotFiles, snapshotFolder } from '../hub/cache.js';
import { matching } from '../hub/model-files.js';
import { parseRepository } from '../hub/repository.js';

/** A file that lies at an address. */
export interface RemoteFile {
  url: string;
  /** Its name here. */
  name: string;
  /** Bytes and SHA-256, where they are known. */
  bytes?: number;
  sha256?: string;
}

interface Terms {
  licence: string;
}

/** Files of a dataset repository of the hub: by split, patterns of their names. */
export interface HubOrigin extends Terms {
  kind: 'hub';
  /** `org/name@revision`. */
  repository: string;
  splits: Readonly<Record<string, readonly string[]>>;
}

/** Files at addresses, by split. */
export interface UrlOrigin extends Terms {
  kind: 'urls';
  splits: Readonly<Record<string, readonly RemoteFile[]>>;
}

export type Origin = HubOrigin | UrlOrigin;

/** Folder of the files of a dataset that are fetched by their addresses: below `KVD_DATA`, or kvd's cache. */
export function dataFolder(dataset: string): string {
  return join(process.env.KVD_DATA || join(cacheDir(), 'data'), dataset);
}

/** The files of a split that have been fetched, whether all of them have or not. */
export function fetchedFiles(origin: Origin, dataset: string, split: string): string[] {
  if (origin.kind === 'urls') {
    const files = (origin.splits[split] ?? []).map(({ name }) => join(dataFolder(dataset), name));
    return files.every((file) => existsSync(file)) ? files : [];
  }
  const folder = snapshotFolder(parseRepository(origin.repository, 'dataset'));
  if (folder === undefined) return [];
  return matching(snapshotFiles(folder), origin.splits[split] ?? []).map((name) => join(folder, name));
}

/** The option `data` of a dataset whose files can be pulled. */
export function dataOption(what: string): z.ZodOptional<z.ZodString> {
  return z.string().optional().describe(`${what}; what \`kvd data pull\` fetched unless given`);
}

/**
 * What a dataset reads: the path that the user names, else the files of the split that `kvd data pull` fetched.
 * @throws UserError where there is neither
 */
export function pathsOf(
  dataset: string,
  origin: Origin,
  given: string | undefined,
  split: string,
): readonly string[] {
  if (given !== undefined) return [given];
  const files = fetchedFiles(origin, dataset, split);
  if (files.length > 0) return files;
  const published = Object.keys(origin.splits);
  const hint = published.includes(split)
    ? `Run: kvd data pull ${dataset}; or name your file in the option data.`
    : `Published splits: ${published.join(', ')}. Name a file of your own in the option data.`;
  throw new UserError('not-pulled', `the files of dataset ${dataset}, split ${split}, are not here`, {
    hint,
  });
}
