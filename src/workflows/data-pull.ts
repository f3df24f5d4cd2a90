/** `kvd data pull`: a dataset's files, from the hub or from their addresses. */
import { join } from 'node:path';
import { UserError } from '../base/errors.js';
import { exclusively } from '../base/lock.js';
import { datasets } from '../data/index.js';
import { dataFolder, type HubOrigin, type UrlOrigin } from '../data/origin.js';
import { formats } from '../data/rows/index.js';
import { downloadFile } from '../hub/download.js';
import { matching } from '../hub/model-files.js';
import { looksLikeRepository, parseRepository } from '../hub/repository.js';
import { hubSettings } from '../hub/settings.js';
import { mkdirSync } from 'node:fs';
import { formatBytes, withProgress } from './progress.js';
import { pullSnapshot } from './pull.js';

export interface PulledData {
  name: string;
  licence: string | undefined;
  /** Folder of the files. */
  folder: string;
  files: string[];
}

export interface DataPull {
  /** A dataset, or any dataset repository of the hub. */
  name: string;
  /** Splits to fetch; all where none are named. */
  splits: readonly string[];
  /** Patterns of file names in the repository, instead of those of the splits. */
  include: readonly string[];
  quiet: boolean;
  note: (text: string) => void;
}

function chosen<T>(
  origin: { splits: Readonly<Record<string, readonly T[]>> },
  splits: readonly string[],
): T[] {
  const unknown = splits.find((split) => !(split in origin.splits));
  if (unknown !== undefined) {
    throw new UserError('unknown-split', `split "${unknown}" is not published`, {
      hint: `There are: ${Object.keys(origin.splits).join(', ')}.`,
    });
  }
  return Object.entries(origin.splits).flatMap(([split, list]) =>
    splits.length === 0 || splits.includes(split) ? list : [],
  );
}

async function fromHub(
  request: DataPull,
  repository: string,
  patterns: readonly string[],
): Promise<PulledData> {
  const wanted = (names: readonly string[]): string[] => matching(names, patterns);
  const target = parseRepository(repository, 'dataset');
  const { folder, files } = await pullSnapshot(target, wanted, request.quiet, request.note);
  return { name: request.name, licence: undefined, folder, files };
}

async function fromAddresses(request: DataPull, origin: UrlOrigin): Promise<PulledData> {
  const settings = hubSettings();
  const folder = dataFolder(request.name);
  const remote = [...new Map(chosen(origin, request.splits).map((file) => [file.name, file])).values()];
  if (settings.offline) {
    throw new UserError('offline', `HF_HUB_OFFLINE is set: ${request.name} cannot be fetched`, {
      hint: 'Unset it and run the command again.',
    });
  }
  mkdirSync(folder, { recursive: true });
  const work = (): Promise<void> =>
    withProgress(
      `Pulling ${request.name} (${remote.length} files)`,
      remote.length,
      request.quiet,
      async (tick) => {
        for (const [i, { url, name, bytes, sha256 }] of remote.entries()) {
          const digest = sha256 === undefined ? undefined : ({ algorithm: 'sha256', hex: sha256 } as const);
          const download = {
            url,
            path: join(folder, name),
            size: bytes,
            digest,
            asked: { where: url, withToken: false },
          };
          let arrived = 0;
          await downloadFile(download, settings, (count) =>
            tick(i, `${name} ${formatBytes((arrived += count))}`),
          );
          tick(i + 1, name);
        }
      },
    );
  await exclusively(join(folder, '.kvd-pull.lock'), work, () =>
    request.note(`Another process pulls ${request.name}; waiting for it`),
  );
  return { name: request.name, licence: origin.licence, folder, files: remote.map(({ name }) => name) };
}

/** Fetches a dataset by its name, or any dataset repository of the hub. */
export async function pullData(request: DataPull): Promise<PulledData> {
  const { name, include, splits } = request;
  if (!datasets.has(name) && looksLikeRepository(name)) {
    return fromHub(request, name, include.length > 0 ? include : formats.map((format) => `*${format}`));
  }
  const { origin } = datasets.get(name);
  if (origin === undefined) {
    throw new UserError(
      'nothing-to-pull',
      `dataset ${name} has nothing to fetch: it is generated, or your own`,
      {
        hint: `See \`kvd data inspect ${name}\`.`,
      },
    );
  }
  if (origin.kind === 'urls') return fromAddresses(request, origin);
  const patterns = include.length > 0 ? include : chosen<string>(origin satisfies HubOrigin, splits);
  return { ...(await fromHub(request, origin.repository, patterns)), licence: origin.licence };
}
