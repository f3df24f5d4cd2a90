/** Plain text: a file is a record. */
import { basename } from 'node:path';
import { readText } from '../../base/files.js';
import type { Rows } from './rows.js';

/** One record with the columns `text` and `file`. */
export function textRow(file: string): Rows {
  const get = (): { value: unknown; where: string; file: string; number: number } => ({
    value: { text: readText(file, 256 * 2 ** 20).trim(), file: basename(file) },
    where: file,
    file,
    number: 1,
  });
  return { size: 1, get };
}
