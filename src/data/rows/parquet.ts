/**
 * Parquet, a row group at a time, through hyparquet's synchronous parts (its reader is asynchronous, records here are
 * not). What a damaged file claims of its sizes is checked before memory is taken for it.
 */
import { statSync } from 'node:fs';
import { parquetMetadata, parquetSchema, type FileMetaData, type SchemaTree } from 'hyparquet';
import { compressors as known, decompressZstd } from 'hyparquet-compressors';
import { assembleNested } from 'hyparquet/src/assemble.js';
import { parquetHeader, readColumn } from 'hyparquet/src/column.js';
import { DEFAULT_PARSERS } from 'hyparquet/src/convert.js';
import { getTreePath } from 'hyparquet/src/schema.js';
import { UserError } from '../../base/errors.js';
import { fileError } from '../../base/files.js';
import { startsOf, type Rows } from './rows.js';
import { readBytes } from './spans.js';

/** Bytes that a column of a row group may have once it is unpacked, and a footer. */
const MAX_BYTES = 2 ** 30;
/** Values of a column of a row group; writers make groups of 2^20 rows or fewer. A few bytes can stand for any number. */
const MAX_VALUES = 2 ** 24;
/** None of them takes more memory than the page's header claims. */
const compressors: typeof known = {
  ...known,
  ZSTD: (input, length) => decompressZstd(input, new Uint8Array(length)),
};
/** Row groups that are kept once they are read: as many as `epochOrder` mixes, and one. */
const KEPT_GROUPS = 9;

type RowGroup = FileMetaData['row_groups'][number];
type Table = { columns: Map<string, ArrayLike<unknown>>; rows: number };

function damaged(file: string, problem: string, cause?: unknown): UserError {
  return new UserError('bad-parquet', problem, {
    where: file,
    hint: 'The file is damaged, incomplete or of a kind that cannot be read; fetch or write it again.',
    cause,
  });
}

/** Runs the library on a file that may be anything: what it stumbles over is the file's fault. */
function guarded<T>(file: string, what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw damaged(file, `${what} cannot be read: ${(error as Error).message.split('\n')[0]}`, error);
  }
}

function readFooter(file: string): FileMetaData {
  let size: number;
  try {
    ({ size } = statSync(file));
  } catch (error) {
    throw fileError(error, file);
  }
  const tail = size < 12 ? undefined : readBytes(file, size - 8, 8);
  if (tail === undefined || tail.toString('latin1', 4) !== 'PAR1') {
    throw damaged(file, 'does not end as a Parquet file does');
  }
  const length = tail.readUInt32LE(0);
  if (length > size - 12 || length > MAX_BYTES) {
    throw damaged(file, `claims a footer of ${length} bytes in a file of ${size}`);
  }
  const footer = new Uint8Array(readBytes(file, size - 8 - length, length + 8));
  return guarded(file, 'its footer', () => parquetMetadata(footer, { geoparquet: false }));
}

function countOf(value: bigint | number | undefined, file: string, what: string): number {
  const count = Number(value ?? -1);
  if (!Number.isSafeInteger(count) || count < 0) throw damaged(file, `claims ${count} ${what}`);
  return count;
}

/** Checks the sizes that a column's pages claim, so that none of them makes the reader take endless memory. */
function checkPages(bytes: Uint8Array, values: number, file: string): void {
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
  let total = 0;
  for (let seen = 0; reader.offset < bytes.byteLength - 1 && seen < values;) {
    const header = parquetHeader(reader);
    const { compressed_page_size: packed, uncompressed_page_size: unpacked } = header;
    const counts = [header.data_page_header, header.data_page_header_v2, header.dictionary_page_header];
    const count = counts.map((page) => page?.num_values).find((n) => n !== undefined) ?? 0;
    const fits = packed >= 0 && packed <= bytes.byteLength - reader.offset && unpacked >= 0;
    total += unpacked;
    if (total > MAX_BYTES)
      throw damaged(file, `unpacks a column of a row group to more than ${MAX_BYTES} bytes`);
    // A dictionary holds no more entries than bytes, unless they are empty.
    const most = header.dictionary_page_header === undefined ? values - seen : Math.max(values, unpacked);
    if (!fits || count < 0 || count > most) {
      throw damaged(file, `a page claims ${count} values in ${packed} bytes (${unpacked} unpacked)`);
    }
    if (header.dictionary_page_header === undefined) seen += count;
    reader.offset += packed;
  }
}

type Chunk = NonNullable<RowGroup['columns'][number]['meta_data']>;

function readChunk(file: string, chunk: Chunk, tree: SchemaTree, rows: number): ArrayLike<unknown> {
  const start = Number(chunk.dictionary_page_offset || chunk.data_page_offset);
  const length = countOf(chunk.total_compressed_size, file, 'bytes in a column');
  const values = countOf(chunk.num_values, file, 'values in a column');
  if (values > MAX_VALUES || rows > MAX_VALUES) {
    throw damaged(file, `has ${Math.max(values, rows)} values in a row group, more than ${MAX_VALUES}`);
  }
  if (!Number.isSafeInteger(start) || start < 4 || start + length > statSync(file).size) {
    throw damaged(file, `keeps column ${chunk.path_in_schema.join('.')} outside the file`);
  }
  const bytes = new Uint8Array(readBytes(file, start, length));
  checkPages(bytes, values, file);
  const schemaPath = getTreePath(tree, chunk.path_in_schema);
  const { data } = readColumn(
    { view: new DataView(bytes.buffer), offset: 0 },
    { groupStart: 0, selectStart: 0, selectEnd: rows, groupRows: rows },
    {
      ...chunk,
      pathInSchema: chunk.path_in_schema,
      element: schemaPath.at(-1)!.element,
      schemaPath,
      parsers: DEFAULT_PARSERS,
      compressors,
      utf8: true,
    },
  );
  return data.length === 1 ? data[0]! : data.flatMap((part) => Array.from(part as ArrayLike<unknown>));
}

/** A top-level column of a row group: a flat one, or lists and structs put together from their leaves. */
function readField(
  file: string,
  group: RowGroup,
  tree: SchemaTree,
  field: SchemaTree,
  rows: number,
): ArrayLike<unknown> {
  const { name } = field.element;
  const chunks = group.columns.flatMap(({ meta_data: meta }) =>
    meta?.path_in_schema[0] === name ? [meta] : [],
  );
  if (chunks.length === 0) throw damaged(file, `has no column ${name} in one of its row groups`);
  const leaves = new Map(
    chunks.map((chunk) => [chunk.path_in_schema.join('.'), readChunk(file, chunk, tree, rows)]),
  );
  if (field.children.length > 0) assembleNested(leaves as Map<string, unknown[]>, field, DEFAULT_PARSERS);
  const column = leaves.get(name);
  if (column?.length !== rows)
    throw damaged(file, `has ${column?.length ?? 0} values of ${name} for ${rows} rows`);
  return column;
}

/** Dates and whole numbers as JSON has them. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(plain);
  if (value !== null && typeof value === 'object' && !ArrayBuffer.isView(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
  }
  return value;
}

/**
 * Records of a Parquet file.
 * @param wanted the columns to read; all where none are named. Those that the file lacks are left out.
 */
export function parquetRows(file: string, wanted?: readonly string[]): Rows {
  const footer = readFooter(file);
  const tree = guarded(file, 'its schema', () => parquetSchema(footer));
  const fields = tree.children.filter(({ element }) => wanted?.includes(element.name) ?? true);
  const sizes = footer.row_groups.map(({ num_rows }) => countOf(num_rows, file, 'rows'));
  const starts = startsOf(sizes);
  const kept = new Map<number, Table>();
  const table = (group: number): Table => {
    const known = kept.get(group);
    if (known !== undefined) return known;
    const rows = sizes[group]!;
    const columns = guarded(file, `row group ${group + 1}`, () => {
      const read = (field: SchemaTree): [string, ArrayLike<unknown>] => [
        field.element.name,
        readField(file, footer.row_groups[group]!, tree, field, rows),
      ];
      return new Map(fields.map(read));
    });
    // The oldest goes first.
    if (kept.size >= KEPT_GROUPS) kept.delete(kept.keys().next().value!);
    kept.set(group, { columns, rows });
    return { columns, rows };
  };
  return {
    size: starts.at(-1)!,
    stretches: sizes,
    get: (index) => {
      const group = starts.findLastIndex((start, i) => start <= index && sizes[i]! > 0);
      const { columns } = table(group);
      const at = index - starts[group]!;
      const value = Object.fromEntries([...columns].map(([name, column]) => [name, plain(column[at])]));
      return { value, where: `${file}, row ${index + 1}`, file, number: index + 1 };
    },
  };
}
