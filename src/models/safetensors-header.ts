/** The header of a safetensors file: untrusted JSON that says where each tensor lies. */
import { UserError } from '../base/errors.js';
import { floatSizes } from './float-bytes.js';

/** Bytes of an element: those that can be read, then those that a file may hold besides. */
export const SIZES = {
  ...floatSizes,
  ...{ I64: 8, I32: 4, U8: 1, I8: 1, BOOL: 1 },
  ...{ U64: 8, U32: 4, U16: 2, I16: 2, F8_E4M3: 1, F8_E5M2: 1 },
} as const;
type Dtype = keyof typeof SIZES;
export interface TensorInfo {
  dtype: Dtype;
  shape: number[];
  bytes: number;
}

/** A file that cannot be what it claims. */
export function damaged(path: string, problem: string): UserError {
  return new UserError('bad-safetensors', problem, {
    where: path,
    hint: 'The file is damaged or incomplete; fetch or make it again.',
  });
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** Where a tensor's bytes start, counted from the end of the header. */
export interface Entry extends TensorInfo {
  start: number;
}

function parseEntry(path: string, name: string, value: unknown): Entry {
  const entry = (value ?? {}) as { dtype?: unknown; shape?: unknown; data_offsets?: unknown };
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(SIZES, dtype)) {
    throw damaged(path, `tensor ${name} has the unknown type ${JSON.stringify(dtype)}`);
  }
  if (!Array.isArray(shape) || shape.length > 8 || !shape.every(isCount)) {
    throw damaged(path, `tensor ${name} has the impossible shape ${JSON.stringify(shape)}`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw damaged(path, `tensor ${name} has impossible offsets ${JSON.stringify(offsets)}`);
  }
  const count = shape.reduce((product: number, size: number) => product * size, 1);
  const [start, end] = offsets as [number, number];
  const bytes = count * SIZES[dtype as Dtype];
  if (!Number.isSafeInteger(bytes) || end - start !== bytes) {
    throw damaged(
      path,
      `tensor ${name} of shape [${shape}] and type ${dtype} cannot fill ${end - start} bytes`,
    );
  }
  if (start % SIZES[dtype as Dtype] !== 0) {
    throw damaged(
      path,
      `tensor ${name} of type ${dtype} starts at byte ${start}, which is no multiple of its elements' size`,
    );
  }
  return { dtype: dtype as Dtype, shape: shape as number[], bytes, start };
}

/** Tensors must fill the data without gap or overlap, as the format demands. */
function checkLayout(path: string, entries: ReadonlyMap<string, Entry>, dataBytes: number): void {
  let at = 0;
  for (const [name, entry] of [...entries].sort(([, a], [, b]) => a.start - b.start || a.bytes - b.bytes)) {
    if (entry.start !== at) {
      throw damaged(path, `tensor ${name} starts at byte ${entry.start}, not at ${at}: a gap or an overlap`);
    }
    at += entry.bytes;
  }
  if (at !== dataBytes) {
    throw damaged(
      path,
      `holds ${dataBytes} bytes of data, its header describes ${at}: truncated or overlong`,
    );
  }
}

function isMetadata(value: unknown): value is Record<string, string> {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return false;
  return Object.values(value).every((item) => typeof item === 'string');
}

/** Where the string ends that begins at `from`, a quotation mark. */
function stringEnd(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

/** The first key that an object of a JSON text has twice, of which parsers take the last; undefined where none has. */
function repeatedKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '{') open.push(new Set());
    else if (text[at] === '}') open.pop();
    else if (text[at] === '"') {
      const end = stringEnd(text, at);
      let next = end;
      while (/\s/.test(text[next] ?? '')) next += 1;
      if (text[next] === ':') {
        const key = JSON.parse(text.slice(at, end)) as string;
        if (open.at(-1)!.has(key)) return key;
        open.at(-1)!.add(key);
      }
      at = next - 1;
    }
  }
  return undefined;
}

/**
 * Checks a header's text against the number of bytes that follow it.
 * @param path for messages
 */
export function parseHeader(
  path: string,
  text: string,
  dataBytes: number,
): { metadata: Record<string, string>; entries: Map<string, Entry> } {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    throw damaged(path, 'its header is not JSON');
  }
  if (header === null || typeof header !== 'object' || Array.isArray(header)) {
    throw damaged(path, 'its header is not a JSON object');
  }
  const twice = repeatedKey(text);
  if (twice !== undefined) throw damaged(path, `its header has ${JSON.stringify(twice)} twice`);
  const { __metadata__: metadata = {}, ...tensors } = header as Record<string, unknown>;
  if (!isMetadata(metadata)) throw damaged(path, 'its __metadata__ is not a map of strings');
  const entries = new Map(
    Object.entries(tensors).map(([name, value]) => [name, parseEntry(path, name, value)]),
  );
  checkLayout(path, entries, dataBytes);
  return { metadata: { ...metadata }, entries };
}
