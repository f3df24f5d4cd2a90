/** `kvd models pull` and `kvd data pull`: a repository of the hub, with progress. */
import { matching, modelFiles } from '../hub/model-files.js';
import { carryOut, planPull } from '../hub/pull.js';
import { parseRepository, repositoryName, type Repository } from '../hub/repository.js';
import { hubSettings } from '../hub/settings.js';
import { formatBytes, withProgress } from './progress.js';

export interface Pulled {
  /** `org/name`, or `org/name@revision`. */
  name: string;
  commit: string;
  /** Folder of the files. */
  folder: string;
  files: string[];
  bytes: number;
}

/** Fetches the files that `wanted` picks of a repository into Hugging Face's cache. */
export async function pullSnapshot(
  repository: Repository,
  wanted: (names: readonly string[]) => readonly string[],
  quiet: boolean,
  note: (text: string) => void,
): Promise<Pulled> {
  const settings = hubSettings();
  const name = repositoryName(repository);
  const plan = await planPull(repository, wanted, settings);
  const { commit, files, bytes } = plan;
  const title = `Pulling ${name} (${files.length} files, ${formatBytes(bytes)})`;
  const folder = await withProgress(
    title,
    bytes,
    quiet,
    (tick) =>
      carryOut(plan, settings, {
        progress: tick,
        waiting: () => note(`Another process pulls ${name}; waiting for it`),
      }),
    formatBytes,
  );
  return { name, commit, folder, files: files.map(({ path }) => path), bytes };
}

/**
 * Fetches a model: `org/name` or `org/name@revision`.
 * @param include patterns of file names to fetch instead of configuration, tokenizer and safetensors
 */
export async function pullModel(
  text: string,
  include: readonly string[],
  quiet: boolean,
  note: (text: string) => void,
): Promise<Pulled> {
  const wanted = (names: readonly string[]): string[] =>
    include.length > 0 ? matching(names, include) : modelFiles(names);
  return pullSnapshot(parseRepository(text, 'model'), wanted, quiet, note);
}
