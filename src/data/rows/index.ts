/** Files of records, by the format that their name says. */
import { readdirSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { UserError } from '../../base/errors.js';
import { fileError } from '../../base/files.js';
import { csvRows } from './csv.js';
import { jsonArray, jsonLines } from './json.js';
import { parquetRows } from './parquet.js';
import { concatRows, type Rows } from './rows.js';
import { textRow } from './text.js';

const FORMATS: Readonly<Record<string, (file: string, columns?: readonly string[]) => Rows>> = {
  '.jsonl': jsonLines,
  '.ndjson': jsonLines,
  '.json': jsonArray,
  '.csv': (file) => csvRows(file, ','),
  '.tsv': (file) => csvRows(file, '\t'),
  '.parquet': parquetRows,
  '.txt': textRow,
  '.md': textRow,
};

const TEXTS = ['.txt', '.md'];

/** Endings of the files that can be read. */
export const formats: readonly string[] = Object.keys(FORMATS);

function open(file: string, columns?: readonly string[]): Rows {
  const read = FORMATS[extname(file).toLowerCase()];
  if (read !== undefined) return read(file, columns);
  throw new UserError('unknown-format', `the name says no format that can be read`, {
    where: file,
    hint: `Names end with ${formats.join(', ')}.`,
  });
}

/** The files of a folder, and of those inside it, that can be read, sorted by name; a file itself. */
function recordFiles(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path, { recursive: true, encoding: 'utf8' }).sort();
    const files = names.filter((name) => extname(name).toLowerCase() in FORMATS && !/(^|\/)\./.test(name));
    // Texts beside tables are their notes.
    const tables = files.filter((name) => !TEXTS.includes(extname(name).toLowerCase()));
    if (files.length > 0) return (tables.length > 0 ? tables : files).map((name) => join(path, name));
  } catch (error) {
    throw fileError(error, path);
  }
  throw new UserError('empty-folder', `holds no file that ends with ${formats.join(', ')}`, { where: path });
}

/**
 * Records of a file, or of all files of a folder; they stay on disk.
 * @param columns the columns that are wanted, where a format can leave others unread
 */
export function openRows(paths: string | readonly string[], columns?: readonly string[]): Rows {
  const files = typeof paths === 'string' ? recordFiles(paths) : paths.flatMap(recordFiles);
  return concatRows(files.map((file) => open(file, columns)));
}
