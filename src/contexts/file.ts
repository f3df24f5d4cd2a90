/**
 * Compressed contexts as safetensors files. Per layer `layers.N.keys` and `.values` [kvHeads, rows, headDim] float32 and
 * `.positions` [kvHeads or 1, rows] int32 (-1 = the row holds nothing); `token_ids` [tokens] int32 where the text is
 * kept. The metadata: `kvd_format`, `kvd_context` (a ContextInfo as JSON) and `kvd_hashes` (SHA-256 of each tensor).
 */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import { sha256 } from '../base/hash.js';
import { PAD_POSITION } from '../models/batch.js';
import { disposeCache, type KvCache } from '../models/cache.js';
import {
  openSafetensors,
  writeSafetensors,
  type SafetensorsFile,
  type TensorToWrite,
} from '../models/safetensors.js';
import { FORMAT, infoSchema, type CompressedContext, type ContextInfo } from './context.js';
import type { ContextModel } from './model.js';

const TOKEN_IDS = 'token_ids';
const NOTHING = -1;
/** By how much of a context's length two sums of means of whole numbers may differ. */
const ROUNDING = 1e-9;

function nameOf(layer: number, what: 'keys' | 'values' | 'positions'): string {
  return `layers.${layer}.${what}`;
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array | Int32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function tensorsOf({ cache, tokenIds }: CompressedContext): Map<string, TensorToWrite> {
  const tensors = new Map<string, TensorToWrite>();
  cache.positions.forEach((held, layer) => {
    const rows = { keys: cache.keys[layer]!, values: cache.values[layer]! };
    for (const what of ['keys', 'values'] as const) {
      const data = rows[what].dataSync() as Float32Array;
      tensors.set(nameOf(layer, what), { dtype: 'F32', shape: rows[what].shape.slice(1), data });
    }
    const positions = Int32Array.from(held.dataSync(), (at) => (at === PAD_POSITION ? NOTHING : at));
    tensors.set(nameOf(layer, 'positions'), { dtype: 'I32', shape: held.shape.slice(1), data: positions });
  });
  if (tokenIds !== undefined) {
    tensors.set(TOKEN_IDS, { dtype: 'I32', shape: [tokenIds.length], data: tokenIds });
  }
  return tensors;
}

/** Writes a context to `path`, atomically: there is the whole file, or the one before. A UserError where it cannot be written. */
export function saveContext(path: string, context: CompressedContext): void {
  const tensors = tensorsOf(context);
  const hashes = Object.fromEntries(
    [...tensors].map(([name, { data }]) => [name, sha256(bytesOf(data as Float32Array | Int32Array))]),
  );
  writeSafetensors(path, tensors, {
    kvd_format: FORMAT,
    kvd_context: JSON.stringify(context.info),
    kvd_hashes: JSON.stringify(hashes),
  });
}

function damaged(path: string, problem: string): UserError {
  return new UserError('bad-context', problem, {
    where: path,
    hint: 'The file is damaged or no work of kvd; make it again with `kvd compress`.',
  });
}

function parsed<T>(path: string, key: string, text: string | undefined, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(text ?? '');
  } catch {
    throw damaged(path, `its metadata ${key} is not JSON`);
  }
  const result = schema.safeParse(value);
  if (!result.success) throw damaged(path, `its metadata ${key} is wrong: ${z.prettifyError(result.error)}`);
  return result.data;
}

function infoOf(file: SafetensorsFile): ContextInfo {
  const { path } = file;
  const { kvd_format: format, kvd_context: text } = file.metadata;
  if (format === undefined) {
    throw new UserError('no-context', 'is no compressed context', {
      where: path,
      hint: 'Make one with `kvd compress`.',
    });
  }
  if (format !== FORMAT) {
    throw new UserError(
      'context-version',
      `is in format ${JSON.stringify(format)}, this kvd reads ${FORMAT}`,
      {
        where: path,
        hint: 'Make it again with this version of kvd, or read it with the one that wrote it.',
      },
    );
  }
  const info = parsed(path, 'kvd_context', text, infoSchema);
  let end = 0;
  // Where the next segment may begin: behind as many positions as the one before has tokens, or has rows of its own.
  let next: readonly [number, number] = [0, 0];
  for (const { from, to, position, kept, compression } of info.segments) {
    const length = to - from;
    if (from !== end || length <= 0 || position < next[0] || position > next[1] || kept > length) {
      throw damaged(path, `its segment from ${from} to ${to} fits nowhere`);
    }
    end = to;
    next = [position + (compression?.own_positions ? 1 : length), position + length];
  }
  if (end !== info.tokens) throw damaged(path, `its segments end at ${end} of ${info.tokens} tokens`);
  if (info.next_position < next[0] || info.next_position > next[1]) {
    throw damaged(path, `goes on at position ${info.next_position} behind ${end} tokens`);
  }
  return info;
}

/** What a file says of its context, from its header alone; a UserError where it is no whole context. */
export function readContextInfo(path: string): ContextInfo {
  const file = openSafetensors(path);
  try {
    return infoOf(file);
  } finally {
    file.close();
  }
}

/** Refuses a context that another model or tokenizer made. */
function checkModel(path: string, info: ContextInfo, { name, hash, model, tokenizer }: ContextModel): void {
  const { numLayers, numKvHeads, headDim } = model.config;
  const { layers, kv_heads, head_dim } = info.model;
  const same = layers === numLayers && kv_heads === numKvHeads && head_dim === headDim;
  if (info.model.hash !== hash || !same) {
    const short = (value: string): string => value.slice(0, 12);
    throw new UserError(
      'wrong-model',
      `was made with the model ${JSON.stringify(info.model.name)} (${short(info.model.hash)}), not with ${JSON.stringify(name)} (${short(hash)})`,
      { where: path, hint: 'A cache means something to its own model alone: name that with --model.' },
    );
  }
  if (info.tokenizer !== tokenizer.hash) {
    throw new UserError(
      'wrong-tokenizer',
      "was made with another tokenizer or chat template than this model's",
      {
        where: path,
        hint: 'Use the model folder as it was, or compress the document again.',
      },
    );
  }
}

const hashesSchema = z.record(z.string(), z.string());

/** Reads the tensors of an open file, each checked before the next is read. */
class ContextReader {
  private readonly hashes: Readonly<Record<string, string>>;
  /** Layers that keep the same rows share one tensor of positions. */
  private readonly positions = new Map<string, tf.Tensor3D>();

  constructor(
    private readonly file: SafetensorsFile,
    private readonly info: ContextInfo,
  ) {
    this.hashes = parsed(file.path, 'kvd_hashes', file.metadata.kvd_hashes, hashesSchema);
  }

  private checked<T extends Float32Array | Int32Array>(
    name: string,
    dtype: string,
    read: () => { data: T },
  ): T {
    const { dtype: found } = this.file.info(name);
    if (found !== dtype) throw damaged(this.file.path, `tensor ${name} is ${found}, not ${dtype}`);
    const { data } = read();
    if (sha256(bytesOf(data)) !== this.hashes[name]) {
      throw damaged(this.file.path, `tensor ${name} is not what was written: its hash differs`);
    }
    return data;
  }

  private shapeOf(name: string, axes: number): number[] {
    const { shape } = this.file.info(name);
    if (shape.length !== axes)
      throw damaged(this.file.path, `tensor ${name} is [${shape}], not of ${axes} axes`);
    return shape;
  }

  private floats(name: string, rows: number): tf.Tensor4D {
    const { kv_heads, head_dim } = this.info.model;
    const shape = this.shapeOf(name, 3);
    const wanted = [kv_heads, rows, head_dim] as const;
    if (shape.join() !== wanted.join()) {
      throw damaged(this.file.path, `tensor ${name} is [${shape}], not [${wanted}]`);
    }
    const data = this.checked(name, 'F32', () => this.file.readFloat(name));
    if (!data.every(Number.isFinite)) throw damaged(this.file.path, `tensor ${name} holds what is no number`);
    return tf.tensor4d(data, [1, ...wanted]);
  }

  private placed(layer: number): tf.Tensor3D {
    const name = nameOf(layer, 'positions');
    const { info, file } = this;
    const [heads, rows] = this.shapeOf(name, 2) as [number, number];
    if ((heads !== 1 && heads !== info.model.kv_heads) || rows === 0 || rows > info.tokens) {
      throw damaged(
        file.path,
        `tensor ${name} is [${heads},${rows}], which fits no context of ${info.tokens} tokens`,
      );
    }
    const known = this.positions.get(this.hashes[name] ?? '');
    const data = this.checked(name, 'I32', () => file.readInt(name));
    if (known !== undefined) return known;
    for (let head = 0; head < heads; head++) {
      const held = data.subarray(head * rows, (head + 1) * rows).filter((at) => at !== NOTHING);
      if (!held.every((at) => at >= 0 && at < info.next_position)) {
        throw damaged(file.path, `tensor ${name} holds positions out of the context`);
      }
      if (new Set(held).size < held.length) throw damaged(file.path, `tensor ${name} holds a position twice`);
    }
    const held = Float32Array.from(data, (at) => (at === NOTHING ? PAD_POSITION : at));
    const tensor = tf.tensor3d(held, [1, heads, rows]);
    this.positions.set(this.hashes[name]!, tensor);
    return tensor;
  }

  /** Token ids, where the file has them. */
  tokenIds(vocabulary: number): Int32Array | undefined {
    if (!this.file.has(TOKEN_IDS)) return undefined;
    const [length] = this.shapeOf(TOKEN_IDS, 1);
    if (length !== this.info.tokens) {
      throw damaged(this.file.path, `holds ${length} token ids of ${this.info.tokens}`);
    }
    const ids = this.checked(TOKEN_IDS, 'I32', () => this.file.readInt(TOKEN_IDS));
    if (ids.every((id) => id >= 0 && id < vocabulary)) return ids;
    throw damaged(this.file.path, 'holds token ids that its tokenizer does not know');
  }

  /** Refuses a cache that holds more or fewer rows, in the mean over layers and heads, than its segments say. */
  private checkCount({ positions }: KvCache): void {
    const { info, file } = this;
    const shares = positions.map(
      (held) => held.dataSync().filter((at) => at !== PAD_POSITION).length / held.shape[1],
    );
    const rows = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    const kept = info.segments.reduce((sum, segment) => sum + segment.kept, 0);
    if (Math.abs(rows - kept) > ROUNDING * info.tokens) {
      throw damaged(file.path, `holds ${rows} rows, its segments say ${kept}`);
    }
  }

  cache(): KvCache {
    const { info, file } = this;
    const { layers } = info.model;
    const wanted = new Set([TOKEN_IDS]);
    for (let layer = 0; layer < layers; layer++) {
      for (const what of ['keys', 'values', 'positions'] as const) wanted.add(nameOf(layer, what));
    }
    const stranger = file.names().find((name) => !wanted.has(name));
    if (stranger !== undefined)
      throw damaged(file.path, `holds a tensor ${JSON.stringify(stranger)}, which no context has`);
    const cache: KvCache = { keys: [], values: [], positions: [], nextPositions: [info.next_position] };
    try {
      for (let layer = 0; layer < layers; layer++) {
        const positions = this.placed(layer);
        cache.positions.push(positions);
        cache.keys.push(this.floats(nameOf(layer, 'keys'), positions.shape[2]));
        cache.values.push(this.floats(nameOf(layer, 'values'), positions.shape[2]));
      }
      this.checkCount(cache);
      return cache;
    } catch (error) {
      disposeCache(cache);
      throw error;
    }
  }
}

/**
 * Reads a context that this very model made; the caller disposes it. Tensors are read one after the other, each checked
 * for its type, shape, hash and values. Another model's, another tokenizer's and damaged files are UserErrors.
 */
export function loadContext(path: string, model: ContextModel): CompressedContext {
  const file = openSafetensors(path);
  try {
    const info = infoOf(file);
    checkModel(path, info, model);
    const reader = new ContextReader(file, info);
    const tokenIds = reader.tokenIds(model.model.config.vocabSize);
    return { cache: reader.cache(), info, ...(tokenIds !== undefined && { tokenIds }) };
  } finally {
    file.close();
  }
}
