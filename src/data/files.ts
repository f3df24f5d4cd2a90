/** Files that an option names: one, or all of a folder. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../base/errors.js';
import { fileError } from '../base/files.js';

/** `path` itself where it is a file; else the folder's files whose names end with `extension`, sorted. */
export function filesAt(path: string, extension: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const files = readdirSync(path)
      .filter((name) => name.endsWith(extension))
      .sort();
    if (files.length === 0)
      throw new UserError('empty-folder', `holds no ${extension} file`, { where: path });
    return files.map((name) => join(path, name));
  } catch (error) {
    throw fileError(error, path);
  }
}
