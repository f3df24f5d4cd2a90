/** The settings file that every adapter has, and an adapter's identity. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import { readJson, writeFileAtomic } from '../base/files.js';
import { sha256 } from '../base/hash.js';
import type { Adapter, Trainable } from './trainable.js';

/** What an adapter must be used with, as trained; tells the adapters of different methods apart. */
export const SETTINGS = 'kvd_config.json';

/** Whether `folder` holds an adapter, of whatever method. */
export function hasAdapter(folder: string): boolean {
  return existsSync(join(folder, SETTINGS));
}

/** What `load` makes of tensors; where it fails, none of them stays. */
export function wholeOrNone<T extends object>(load: () => T): T {
  return tf.tidy(load as unknown as () => tf.TensorContainerObject) as unknown as T;
}

/** A JSON file as `schema` wants it. */
export function readChecked<T>(schema: z.ZodType<T>, path: string): T {
  const parsed = schema.safeParse(readJson(path));
  if (parsed.success) return parsed.data;
  throw new UserError('bad-adapter', z.prettifyError(parsed.error), { where: path });
}

/** The settings of the adapter in `folder`. */
export function readSettings<T>(folder: string, schema: z.ZodType<T>): T {
  if (!hasAdapter(folder)) {
    throw new UserError('no-adapter', `no trained adapter is there: no ${SETTINGS}`, {
      where: folder,
      hint: 'Name the adapter folder that `kvd train` wrote, or train one.',
    });
  }
  return readChecked(schema, join(folder, SETTINGS));
}

export function writeSettings(folder: string, settings: object): void {
  writeFileAtomic(join(folder, SETTINGS), `${JSON.stringify(settings, null, 2)}\n`);
}

const formatSchema = z.looseObject({ format: z.string() });

/** The format that the adapter in `folder` says it has. */
export function adapterFormat(folder: string): string {
  return readSettings(folder, formatSchema).format;
}

/** Identity of an adapter: a hash over its weights and settings. */
export function adapterHash<A extends Adapter>(trainable: Trainable<A>, folder: string): string {
  return sha256(trainable.files.map((name) => sha256(readFileSync(join(folder, name)))).join());
}
