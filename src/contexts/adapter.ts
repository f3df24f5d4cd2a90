/** A trained adapter made ready, with the method that it belongs to. */
import { join } from 'node:path';
import { UserError } from '../base/errors.js';
import { adapterFormat, adapterHash, hasAdapter } from '../methods/adapter-files.js';
import { methods } from '../methods/index.js';
import type { Method } from '../methods/method.js';
import { disposeAdapter, type Adapter } from '../methods/trainable.js';
import type { ModelConfig } from '../models/config.js';

/** A trained adapter in memory; its tensors live until `dispose`. */
export interface LoadedAdapter {
  folder: string;
  /** The method that it was trained for. */
  method: Method;
  adapter: Adapter;
  /** SHA-256 of its weights and settings. */
  hash: string;
  /** Frees the weights. */
  dispose(): void;
}

/** The adapter in `folder`, of whatever method; one that was made for another model is a UserError. */
export function loadAdapterFolder(folder: string, config: ModelConfig): LoadedAdapter {
  const format = adapterFormat(folder);
  const method = methods.list().find(({ trainable }) => trainable?.format === format);
  const trainable = method?.trainable;
  if (method === undefined || trainable === undefined) {
    throw new UserError('bad-adapter', `is in format ${JSON.stringify(format)}, which no method reads`, {
      where: folder,
    });
  }
  const adapter = trainable.load(folder, config);
  return {
    folder,
    method,
    adapter,
    hash: adapterHash(trainable, folder),
    dispose: () => disposeAdapter(trainable, adapter),
  };
}

/** Where the adapter of a method lies that ships with the model in `modelFolder`; undefined where none does. */
export function shippedAdapter(modelFolder: string, method: string): string | undefined {
  const folder = join(modelFolder, `${method}-adapter`);
  return hasAdapter(folder) ? folder : undefined;
}
