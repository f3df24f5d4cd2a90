/** The adapters that an evaluation needs: given, trained by the experiment, or shipped with the model. */
import { join } from 'node:path';
import { UserError } from '../base/errors.js';
import { resolveModel } from '../experiment/check.js';
import type { Experiment } from '../experiment/schema.js';
import { adapterFormat, adapterHash, hasAdapter } from '../methods/adapter-files.js';
import { methods } from '../methods/index.js';
import { disposeAdapter, type Adapter, type Trainable } from '../methods/trainable.js';
import type { ModelConfig } from '../models/config.js';
import { adapterFolder } from './train.js';

/** One method's adapter. */
export interface FoundAdapter {
  trainable: Trainable;
  folder: string;
  hash: string;
}

/** By the name of the method. */
export type FoundAdapters = ReadonlyMap<string, FoundAdapter>;

/** Folder in which a method's adapter for the experiment's model lies, whether it exists or not. */
function folderOf(experiment: Experiment, method: string): string {
  return experiment.training !== undefined && experiment.method.name === method
    ? adapterFolder(experiment)
    : join(resolveModel(experiment.model.name_or_path), `${method}-adapter`);
}

/**
 * The adapters of those of `names` that are trained methods.
 * @param given folder of an adapter to be used, by the method that it was trained for, instead of its own
 */
export function findAdapters(
  experiment: Experiment,
  names: readonly string[],
  given: string | undefined,
): FoundAdapters {
  const format = given === undefined ? undefined : adapterFormat(given);
  const found = new Map<string, FoundAdapter>();
  for (const name of new Set(names)) {
    const { trainable } = methods.get(name);
    if (trainable === undefined) continue;
    const folder = given !== undefined && trainable.format === format ? given : folderOf(experiment, name);
    if (!hasAdapter(folder)) {
      throw new UserError('no-adapter', `no trained adapter for method ${name} is there`, {
        where: folder,
        hint: 'Train it with `kvd train` on the same experiment, or name another with `--adapter`.',
      });
    }
    found.set(name, { trainable, folder, hash: adapterHash(trainable, folder) });
  }
  return found;
}

/** What of the adapters belongs to the evaluation's identity; null where there are none. */
export function adaptersIdentity(found: FoundAdapters): string | null | Record<string, string> {
  const hashes = [...found].map(([name, { hash }]) => [name, hash] as const);
  return hashes.length > 1 ? Object.fromEntries(hashes) : (hashes[0]?.[1] ?? null);
}

export function loadAdapters(found: FoundAdapters, config: ModelConfig): ReadonlyMap<string, Adapter> {
  return new Map([...found].map(([name, { trainable, folder }]) => [name, trainable.load(folder, config)]));
}

export function disposeAdapters(found: FoundAdapters, adapters: ReadonlyMap<string, Adapter>): void {
  for (const [name, adapter] of adapters) disposeAdapter(found.get(name)!.trainable, adapter);
}
