/** safetensors files: read tensor by tensor with every untrusted number checked, written atomically. */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { basename, join } from 'node:path';
import { UserError } from '../base/errors.js';
import { fileError, readJson, writeFileAtomic } from '../base/files.js';

const SIZES = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, U8: 1, I8: 1, BOOL: 1 } as const;
type Dtype = keyof typeof SIZES;
const MAX_HEADER = 100 * 2 ** 20;
/** V8's largest typed array is larger; no tensor that we hold comes near. */
const MAX_ELEMENTS = 2 ** 31;

export interface TensorInfo {
  dtype: Dtype;
  shape: number[];
  bytes: number;
}

export interface FloatTensor {
  shape: number[];
  data: Float32Array;
}

export interface IntTensor {
  shape: number[];
  data: Int32Array;
}

/** Named tensors of one file or of several shards. */
export interface TensorSource {
  names(): string[];
  has(name: string): boolean;
  info(name: string): TensorInfo;
  /** A float tensor, converted to float32. */
  readFloat(name: string): FloatTensor;
  /** An integer or boolean tensor, as int32. */
  readInt(name: string): IntTensor;
  close(): void;
}

export interface TensorToWrite {
  dtype: 'F32' | 'BF16' | 'I32' | 'U8';
  shape: readonly number[];
  data: Float32Array | Int32Array | Uint8Array;
}

function bad(path: string, problem: string): UserError {
  return new UserError('bad-safetensors', problem, {
    where: path,
    hint: 'The file is damaged or incomplete; fetch or make it again.',
  });
}

function halfToFloat(half: number): number {
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function toFloat32(bytes: Uint8Array, dtype: Dtype, count: number): Float32Array {
  const { buffer, byteOffset } = bytes;
  if (dtype === 'F32') return new Float32Array(buffer, byteOffset, count);
  if (dtype === 'F64') return Float32Array.from(new Float64Array(buffer, byteOffset, count));
  const halves = new Uint16Array(buffer, byteOffset, count);
  if (dtype === 'F16') return Float32Array.from(halves, halfToFloat);
  const bits = new Uint32Array(count);
  for (let i = 0; i < count; i++) bits[i] = halves[i]! << 16;
  return new Float32Array(bits.buffer);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

interface Entry extends TensorInfo {
  start: number;
}

function parseEntry(path: string, name: string, value: unknown): Entry {
  const entry = (value ?? {}) as { dtype?: unknown; shape?: unknown; data_offsets?: unknown };
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(SIZES, dtype)) {
    throw bad(path, `tensor ${name} has the unknown type ${JSON.stringify(dtype)}`);
  }
  if (!Array.isArray(shape) || shape.length > 8 || !shape.every(isCount)) {
    throw bad(path, `tensor ${name} has the impossible shape ${JSON.stringify(shape)}`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw bad(path, `tensor ${name} has impossible offsets ${JSON.stringify(offsets)}`);
  }
  const count = shape.reduce((product: number, size: number) => product * size, 1);
  const [start, end] = offsets as [number, number];
  const bytes = count * SIZES[dtype as Dtype];
  if (count > MAX_ELEMENTS || end - start !== bytes) {
    throw bad(path, `tensor ${name} of shape [${shape}] and type ${dtype} cannot fill ${end - start} bytes`);
  }
  return { dtype: dtype as Dtype, shape: shape as number[], bytes, start };
}

/** One safetensors file, open until `close`. */
export class SafetensorsFile implements TensorSource {
  readonly metadata: Readonly<Record<string, string>>;
  private readonly entries = new Map<string, Entry>();
  private readonly file: number;
  private readonly dataStart: number;

  constructor(readonly path: string) {
    try {
      this.file = openSync(path, 'r');
    } catch (error) {
      throw fileError(error, path);
    }
    try {
      const stats = fstatSync(this.file);
      if (!stats.isFile()) throw bad(path, 'is not a file');
      if (stats.size < 8) throw bad(path, `is ${stats.size} bytes long, too short for a safetensors file`);
      const headerLength = Number(Buffer.from(this.bytes(0, 8)).readBigUInt64LE());
      if (headerLength > MAX_HEADER || headerLength + 8 > stats.size) {
        throw bad(path, `claims a header of ${headerLength} bytes in a file of ${stats.size}`);
      }
      this.dataStart = 8 + headerLength;
      this.metadata = this.parseHeader(Buffer.from(this.bytes(8, headerLength)).toString('utf8'));
      this.checkLayout(stats.size - this.dataStart);
    } catch (error) {
      closeSync(this.file);
      throw error;
    }
  }

  private parseHeader(text: string): Record<string, string> {
    let header: unknown;
    try {
      header = JSON.parse(text);
    } catch {
      throw bad(this.path, 'its header is not JSON');
    }
    if (header === null || typeof header !== 'object' || Array.isArray(header)) {
      throw bad(this.path, 'its header is not a JSON object');
    }
    let metadata: Record<string, string> = {};
    for (const [name, value] of Object.entries(header)) {
      if (name !== '__metadata__') this.entries.set(name, parseEntry(this.path, name, value));
      else if (
        value !== null &&
        typeof value === 'object' &&
        Object.values(value as object).every((item) => typeof item === 'string')
      ) {
        metadata = { ...(value as Record<string, string>) };
      } else throw bad(this.path, 'its __metadata__ is not a map of strings');
    }
    return metadata;
  }

  /** Tensors must fill the data without gap or overlap, as the format demands. */
  private checkLayout(dataBytes: number): void {
    let at = 0;
    for (const [name, entry] of [...this.entries].sort(([, a], [, b]) => a.start - b.start || a.bytes - b.bytes)) {
      if (entry.start !== at) {
        throw bad(this.path, `tensor ${name} starts at byte ${entry.start}, not at ${at}: a gap or an overlap`);
      }
      at += entry.bytes;
    }
    if (at !== dataBytes) {
      throw bad(this.path, `holds ${dataBytes} bytes of data, its header describes ${at}: truncated or overlong`);
    }
  }

  private bytes(position: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const read = readSync(this.file, bytes, done, Math.min(length - done, 2 ** 30), position + done);
      if (read === 0) throw bad(this.path, `ends after ${position + done} bytes`);
      done += read;
    }
    return bytes;
  }

  private entry(name: string): Entry {
    const entry = this.entries.get(name);
    if (entry === undefined) {
      throw new UserError('missing-tensor', `has no tensor named ${name}`, { where: this.path });
    }
    return entry;
  }

  names(): string[] {
    return [...this.entries.keys()];
  }

  has(name: string): boolean {
    return this.entries.has(name);
  }

  info(name: string): TensorInfo {
    const { dtype, shape, bytes } = this.entry(name);
    return { dtype, shape: [...shape], bytes };
  }

  readFloat(name: string): FloatTensor {
    const { dtype, shape, bytes, start } = this.entry(name);
    if (!['F32', 'F64', 'F16', 'BF16'].includes(dtype)) {
      throw bad(this.path, `tensor ${name} is ${dtype}, a float type is wanted`);
    }
    const raw = this.bytes(this.dataStart + start, bytes);
    return { shape: [...shape], data: toFloat32(raw, dtype, bytes / SIZES[dtype]) };
  }

  readInt(name: string): IntTensor {
    const { dtype, shape, bytes, start } = this.entry(name);
    const raw = this.bytes(this.dataStart + start, bytes);
    const count = bytes / SIZES[dtype];
    if (dtype === 'I32') return { shape: [...shape], data: new Int32Array(raw.buffer, 0, count) };
    if (dtype === 'U8' || dtype === 'BOOL') return { shape: [...shape], data: Int32Array.from(raw) };
    if (dtype === 'I8') return { shape: [...shape], data: Int32Array.from(new Int8Array(raw.buffer)) };
    if (dtype !== 'I64') throw bad(this.path, `tensor ${name} is ${dtype}, an integer type is wanted`);
    const data = Int32Array.from(new BigInt64Array(raw.buffer, 0, count), Number);
    return { shape: [...shape], data };
  }

  close(): void {
    closeSync(this.file);
  }
}

export function openSafetensors(path: string): SafetensorsFile {
  return new SafetensorsFile(path);
}

/** Several shards behind one index: each tensor is looked for where the index says. */
class Shards implements TensorSource {
  private readonly open = new Map<string, SafetensorsFile>();

  constructor(
    private readonly folder: string,
    private readonly shardOf: ReadonlyMap<string, string>,
  ) {}

  private file(name: string): SafetensorsFile {
    const shard = this.shardOf.get(name);
    if (shard === undefined) {
      throw new UserError('missing-tensor', `the index names no tensor ${name}`, { where: this.folder });
    }
    const file = this.open.get(shard) ?? openSafetensors(join(this.folder, shard));
    this.open.set(shard, file);
    return file;
  }

  names(): string[] {
    return [...this.shardOf.keys()];
  }

  has(name: string): boolean {
    return this.shardOf.has(name);
  }

  info(name: string): TensorInfo {
    return this.file(name).info(name);
  }

  readFloat(name: string): FloatTensor {
    return this.file(name).readFloat(name);
  }

  readInt(name: string): IntTensor {
    return this.file(name).readInt(name);
  }

  close(): void {
    for (const file of this.open.values()) file.close();
  }
}

/** Which shard each tensor is in, by the index at `index`. */
function readIndex(index: string): Map<string, string> {
  const map = (readJson(index) as { weight_map?: unknown } | null)?.weight_map;
  if (map === null || typeof map !== 'object') throw bad(index, 'has no weight_map');
  const shardOf = new Map<string, string>();
  for (const [name, shard] of Object.entries(map)) {
    if (typeof shard !== 'string' || shard !== basename(shard) || !shard.endsWith('.safetensors')) {
      throw bad(index, `keeps tensor ${name} in ${JSON.stringify(shard)}, which is no file of this folder`);
    }
    shardOf.set(name, shard);
  }
  return shardOf;
}

function indexPath(folder: string): string {
  return join(folder, 'model.safetensors.index.json');
}

/** The weights in a Hugging Face folder: `model.safetensors`, or shards with their index. */
export function openCheckpoint(folder: string): TensorSource {
  const index = indexPath(folder);
  if (!existsSync(index)) return openSafetensors(join(folder, 'model.safetensors'));
  return new Shards(folder, readIndex(index));
}

/** Paths of the files that `openCheckpoint` reads weights from, sorted. */
export function checkpointFiles(folder: string): string[] {
  const index = indexPath(folder);
  const names = existsSync(index) ? [...new Set(readIndex(index).values())].sort() : ['model.safetensors'];
  return names.map((name) => join(folder, name));
}

function encode(tensor: TensorToWrite): Uint8Array {
  const { data } = tensor;
  if (tensor.dtype !== 'BF16') return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const bits = new Uint32Array(Float32Array.from(data).buffer);
  // Round to nearest, ties to even, on the upper half of the float32 pattern.
  return new Uint8Array(Uint16Array.from(bits, (b) => (b + 0x7fff + ((b >>> 16) & 1)) >>> 16).buffer);
}

/** Writes tensors (by name, sorted) and metadata atomically. */
export function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorToWrite>,
  metadata: Record<string, string>,
): void {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt', ...metadata } };
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (const [name, tensor] of [...tensors].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const bytes = encode(tensor);
    header[name] = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [at, at + bytes.byteLength] };
    at += bytes.byteLength;
    chunks.push(bytes);
  }
  const text = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  writeFileAtomic(path, [length, padded, ...chunks]);
}
