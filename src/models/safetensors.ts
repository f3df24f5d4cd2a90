/** safetensors files: read tensor by tensor with every untrusted number checked, written atomically. */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { basename, join } from 'node:path';
import { UserError } from '../base/errors.js';
import { fileError, readJson, writeFileAtomic } from '../base/files.js';
import { isFloatDtype, readFloats } from './float-bytes.js';
import { damaged, parseHeader, SIZES, type Entry, type TensorInfo } from './safetensors-header.js';

const MAX_HEADER = 100 * 2 ** 20;
/** Most elements read as one array, 4 GiB of float32; larger tensors are read in parts. */
const MAX_ELEMENTS = 2 ** 30;

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
  /** A float tensor, converted to float32; one of more than 2^30 elements must be read in parts. */
  readFloat(name: string): FloatTensor;
  /** Elements of a float tensor from `start` on, as many as `into` holds, converted to float32. */
  readFloats(name: string, start: number, into: Float32Array): void;
  /** An integer or boolean tensor, as int32. */
  readInt(name: string): IntTensor;
  close(): void;
}

export interface TensorToWrite {
  dtype: 'F32' | 'BF16' | 'I32' | 'U8';
  shape: readonly number[];
  data: Float32Array | Int32Array | Uint8Array;
}

/** One safetensors file, open until `close`. */
export class SafetensorsFile implements TensorSource {
  readonly metadata: Readonly<Record<string, string>>;
  private readonly entries: ReadonlyMap<string, Entry>;
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
      if (!stats.isFile()) throw damaged(path, 'is not a file');
      if (stats.size < 8)
        throw damaged(path, `is ${stats.size} bytes long, too short for a safetensors file`);
      const headerLength = Number(Buffer.from(this.bytes(0, 8)).readBigUInt64LE());
      if (headerLength > MAX_HEADER || headerLength + 8 > stats.size) {
        throw damaged(path, `claims a header of ${headerLength} bytes in a file of ${stats.size}`);
      }
      this.dataStart = 8 + headerLength;
      const text = Buffer.from(this.bytes(8, headerLength)).toString('utf8');
      const header = parseHeader(path, text, stats.size - this.dataStart);
      this.metadata = header.metadata;
      this.entries = header.entries;
    } catch (error) {
      closeSync(this.file);
      throw error;
    }
  }

  private fill(bytes: Uint8Array, position: number): void {
    for (let done = 0; done < bytes.length;) {
      const read = readSync(this.file, bytes, done, Math.min(bytes.length - done, 2 ** 30), position + done);
      if (read === 0) throw damaged(this.path, `ends after ${position + done} bytes`);
      done += read;
    }
  }

  private bytes(position: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.fill(bytes, position);
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
    const { shape } = this.entry(name);
    const data = new Float32Array(this.elements(name));
    this.readFloats(name, 0, data);
    return { shape: [...shape], data };
  }

  readFloats(name: string, start: number, into: Float32Array): void {
    const { dtype, start: at } = this.entry(name);
    if (!isFloatDtype(dtype)) {
      throw new UserError('wrong-dtype', `tensor ${name} is ${dtype}, a float type is wanted`, {
        where: this.path,
        hint: 'Quantised checkpoints are not supported: take the float16 or bfloat16 one.',
      });
    }
    readFloats(dtype, into, (bytes) => this.fill(bytes, this.dataStart + at + start * SIZES[dtype]));
  }

  /** How many elements a tensor has, no more than one array may hold. */
  private elements(name: string): number {
    const { dtype, bytes } = this.entry(name);
    const count = bytes / SIZES[dtype];
    if (count > MAX_ELEMENTS)
      throw damaged(this.path, `tensor ${name} of ${count} elements is too large to be read whole`);
    return count;
  }

  readInt(name: string): IntTensor {
    const { dtype, shape, bytes, start } = this.entry(name);
    const count = this.elements(name);
    const raw = this.bytes(this.dataStart + start, bytes);
    if (dtype === 'I32') return { shape: [...shape], data: new Int32Array(raw.buffer, 0, count) };
    if (dtype === 'U8' || dtype === 'BOOL') return { shape: [...shape], data: Int32Array.from(raw) };
    if (dtype === 'I8') return { shape: [...shape], data: Int32Array.from(new Int8Array(raw.buffer)) };
    if (dtype !== 'I64') throw damaged(this.path, `tensor ${name} is ${dtype}, an integer type is wanted`);
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

  readFloats(name: string, start: number, into: Float32Array): void {
    this.file(name).readFloats(name, start, into);
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
  if (map === null || typeof map !== 'object') throw damaged(index, 'has no weight_map');
  const shardOf = new Map<string, string>();
  for (const [name, shard] of Object.entries(map)) {
    if (typeof shard !== 'string' || shard !== basename(shard) || !shard.endsWith('.safetensors')) {
      throw damaged(
        index,
        `keeps tensor ${name} in ${JSON.stringify(shard)}, which is no file of this folder`,
      );
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

/** Writes tensors, widest elements first so that all are aligned, then by name, and metadata, atomically. */
export function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorToWrite>,
  metadata: Record<string, string>,
): void {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt', ...metadata } };
  const chunks: Uint8Array[] = [];
  let at = 0;
  const sorted = [...tensors].sort(
    ([a, { dtype: one }], [b, { dtype: other }]) => SIZES[other] - SIZES[one] || (a < b ? -1 : 1),
  );
  for (const [name, tensor] of sorted) {
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
