/** The models that are there: those that kvd ships, and those that were pulled. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../base/errors.js';
import { packageRoot } from '../base/paths.js';
import {
  cachedSnapshots,
  checkSnapshotFile,
  removeCached,
  snapshotBytes,
  snapshotFiles,
  snapshotFolder,
  type FileCheck,
} from '../hub/cache.js';
import { looksLikeRepository, parseRepository, repositoryName } from '../hub/repository.js';
import { readModelConfig } from '../models/config.js';
import { openCheckpoint } from '../models/safetensors.js';
import { formatBytes, withProgress } from './progress.js';

export interface ShippedModel {
  name: string;
  folder: string;
  architecture: string;
  layers: number;
  parameters: number;
}

export function shippedModels(): ShippedModel[] {
  const root = join(packageRoot, 'models', 'nano');
  if (!existsSync(root)) return [];
  const names = readdirSync(root).filter((name) => existsSync(join(root, name, 'model.safetensors')));
  return names.sort().map((name) => {
    const folder = join(root, name);
    const config = readModelConfig(folder);
    const source = openCheckpoint(folder);
    const sizes = source.names().map((tensor) => source.info(tensor).shape.reduce((a, b) => a * b, 1));
    source.close();
    return {
      name,
      folder,
      architecture: config.architecture,
      layers: config.numLayers,
      parameters: sizes.reduce((a, b) => a + b, 0),
    };
  });
}

export interface PulledModel {
  /** `org/name`, with the revision where that is not `main`. */
  name: string;
  folder: string;
  commit: string;
  bytes: number;
}

export function pulledModels(): PulledModel[] {
  return cachedSnapshots('model').map(({ repository, folder, commit, bytes }) => ({
    name: repositoryName(repository),
    folder,
    commit,
    bytes,
  }));
}

/** What `kvd models list` prints. */
export function renderModels(shipped: readonly ShippedModel[], pulled: readonly PulledModel[]): string {
  const width = Math.max(0, ...[...shipped, ...pulled].map(({ name }) => name.length));
  return [
    ...shipped.map(
      ({ name, architecture, parameters, layers, folder }) =>
        `${name.padEnd(width)}  ${architecture}, ${parameters} parameters, ${layers} layers; ${folder}`,
    ),
    ...pulled.map(
      ({ name, commit, bytes, folder }) =>
        `${name.padEnd(width)}  pulled, ${formatBytes(bytes)}, commit ${commit.slice(0, 12)}; ${folder}`,
    ),
  ].join('\n');
}

/** Whether a name can only mean a model of the hub: no folder has it. */
export function isPulledName(text: string): boolean {
  return !existsSync(text) && looksLikeRepository(text);
}

/** Checks every file of a pulled model against the checksum that the hub announced for it. */
export async function verifyPulled(text: string, quiet: boolean): Promise<FileCheck[]> {
  const repository = parseRepository(text, 'model');
  const folder = snapshotFolder(repository);
  if (folder === undefined) {
    throw new UserError('not-pulled', `${repositoryName(repository)} is not in the cache`, {
      hint: `Run: kvd models pull ${repositoryName(repository)}`,
    });
  }
  return withProgress(
    `Checking ${repositoryName(repository)}`,
    snapshotBytes(folder),
    quiet,
    async (tick) => {
      const checks: FileCheck[] = [];
      let done = 0;
      for (const name of snapshotFiles(folder)) {
        checks.push(await checkSnapshotFile(folder, name, (count) => tick((done += count), name)));
      }
      return checks;
    },
    formatBytes,
  );
}

export function renderFileChecks(checks: readonly FileCheck[]): string {
  return checks
    .map(({ name, bytes, state }) => `${state.padEnd(8)} ${name} (${formatBytes(bytes)})`)
    .join('\n');
}

/** Removes a pulled model: all of it, or the revision that is named. */
export function removeModel(text: string): { removed: string; bytes: number } {
  const repository = parseRepository(text, 'model');
  return { removed: text, bytes: removeCached(repository, !text.includes('@')) };
}
