import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/errors.js';
import { compressDocuments } from '../../../src/contexts/compress.js';
import { disposeContext, type CompressedContext, type ContextInfo } from '../../../src/contexts/context.js';
import { loadContext, readContextInfo, saveContext } from '../../../src/contexts/file.js';
import { Random } from '../../../src/engine/random.js';
import { methods } from '../../../src/methods/index.js';
import { PAD_POSITION } from '../../../src/models/batch.js';
import { openSafetensors, writeSafetensors, type TensorToWrite } from '../../../src/models/safetensors.js';
import type { LoadedModel } from '../../../src/workflows/session.js';
import { document, more, shipped } from '../../helpers/contexts.js';

const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
const path = join(folder, 'doc.kvd.safetensors');
let model: LoadedModel;
let context: CompressedContext;

beforeAll(async () => {
  const { compressor, ...loaded } = await shipped();
  model = loaded.model;
  const documents = [
    { text: document, name: 'a.txt' },
    { text: more, retention: 1 },
  ];
  context = await compressDocuments(model, documents, { ...compressor, retention: 0.4, foldTokens: 10 });
  saveContext(path, context);
});

function numbers({ cache }: CompressedContext): unknown {
  const all = (tensors: tf.Tensor[]): unknown[] => tensors.map((x) => [x.shape, Array.from(x.dataSync())]);
  return [all(cache.keys), all(cache.values), all(cache.positions), cache.nextPositions];
}

/** The file with other tensors or metadata. */
function changed(
  edit: (tensors: Map<string, TensorToWrite>, metadata: Record<string, string>) => void,
): string {
  const file = openSafetensors(path);
  const tensors = new Map<string, TensorToWrite>();
  for (const name of file.names()) {
    const { dtype, shape } = file.info(name);
    const data = dtype === 'F32' ? file.readFloat(name).data : file.readInt(name).data;
    tensors.set(name, { dtype: dtype as 'F32' | 'I32', shape, data });
  }
  const metadata = { ...file.metadata };
  file.close();
  edit(tensors, metadata);
  const copy = join(folder, 'changed.safetensors');
  writeSafetensors(copy, tensors, metadata);
  return copy;
}

describe('a context as a file', () => {
  it('comes back to the bit, leaves no tensor behind, and is known by its header', () => {
    const before = tf.memory().numTensors;
    const loaded = loadContext(path, model);
    expect(numbers(loaded)).toEqual(numbers(context));
    expect(loaded.info).toEqual(context.info);
    expect(loaded.tokenIds).toEqual(context.tokenIds);
    expect(readContextInfo(path)).toEqual(context.info);
    disposeContext(loaded);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('keeps positions of each head where they differ, and rows that hold nothing', async () => {
    const { compressor } = { compressor: { method: methods.get('h2i') } };
    const h2i = await compressDocuments(model, [{ text: document }], { ...compressor, retention: 0.5 });
    saveContext(join(folder, 'h2i.safetensors'), h2i);
    const loaded = loadContext(join(folder, 'h2i.safetensors'), model);
    expect(loaded.cache.positions[0]!.shape[1]).toBe(model.model.config.numKvHeads);
    expect(numbers(loaded)).toEqual(numbers(h2i));
  });

  it.each([
    ['another model', () => loadContext(path, { ...model, hash: 'f'.repeat(64) }), 'wrong-model'],
    [
      'another tokenizer',
      () => loadContext(path, { ...model, tokenizer: { ...model.tokenizer, hash: 'f'.repeat(64) } }),
      'wrong-tokenizer',
    ],
    ['a model file', () => loadContext(join(model.folder, 'model.safetensors'), model), 'no-context'],
    [
      'a later version',
      () =>
        loadContext(
          changed((_, meta) => void (meta.kvd_format = 'kvd-context/2')),
          model,
        ),
      'context-version',
    ],
  ])('is refused for %s', (_what, load, code) => {
    expect(load).toThrow(expect.objectContaining({ name: 'UserError', code }) as Error);
  });

  const edits: [string, Parameters<typeof changed>[0], RegExp][] = [
    ['a changed number', (tensors) => void (tensors.get('layers.1.values')!.data[3]! += 1), /hash differs/],
    [
      'a missing tensor',
      (tensors) => void tensors.delete('layers.1.keys'),
      /no tensor named layers\.1\.keys/,
    ],
    [
      'a tensor too many',
      (tensors) => void tensors.set('x', tensors.get('token_ids')!),
      /"x", which no context has/,
    ],
    ['another type', (tensors) => void (tensors.get('layers.0.keys')!.dtype = 'BF16'), /BF16, not F32/],
    ['no metadata', (_, meta) => void delete meta.kvd_context, /not JSON/],
    [
      'segments that overlap',
      (_, meta) => void (meta.kvd_context = meta.kvd_context!.replace('"from":0', '"from":1')),
      /fits nowhere/,
    ],
    [
      'unknown metadata',
      (_, meta) => void (meta.kvd_context = meta.kvd_context!.replace('{', '{"x":1,')),
      /Unrecognized key/,
    ],
    [
      'lengths that disagree',
      (_, meta) => void (meta.kvd_context = meta.kvd_context!.replace(/"tokens":(\d+)/, '"tokens":9$1')),
      /segments end at/,
    ],
  ];
  it.each(edits)('is refused with %s', (_what, edit, message) => {
    expect(() => loadContext(changed(edit), model)).toThrow(message);
  });

  /** A file that is whole and whose hashes are right, but that holds what no compression leaves. */
  function forged(edit: (positions: Float32Array, info: ContextInfo, keys: Float32Array) => void): string {
    const positions = Float32Array.from(context.cache.positions[0]!.dataSync());
    const keys = Float32Array.from(context.cache.keys[0]!.dataSync());
    const info = structuredClone(context.info);
    edit(positions, info, keys);
    const held = tf.tensor3d(positions, context.cache.positions[0]!.shape);
    const first = tf.tensor4d(keys, context.cache.keys[0]!.shape);
    const cache = {
      ...context.cache,
      keys: [first, ...context.cache.keys.slice(1)],
      positions: context.cache.positions.map(() => held),
    };
    const copy = join(folder, 'forged.safetensors');
    saveContext(copy, { cache, info });
    tf.dispose([held, first]);
    return copy;
  }

  const forgeries: [string, Parameters<typeof forged>[0], RegExp][] = [
    ['a position twice', (positions) => void (positions[1] = positions[0]!), /holds a position twice/],
    ['no row that holds anything', (positions) => void positions.fill(PAD_POSITION), /holds 0 rows/],
    ['a row less than it says', (positions) => void (positions[1] = PAD_POSITION), /its segments say/],
    [
      'a position behind its end',
      (positions, info) => void (positions[1] = info.next_position),
      /out of the context/,
    ],
    ['a number that is none', (_p, _info, keys) => void (keys[5] = NaN), /holds what is no number/],
    [
      'a segment that begins where none can',
      (_, info) => void (info.segments[1]!.position += 1),
      /fits nowhere/,
    ],
    ['an end that lies elsewhere', (_, info) => void (info.next_position += 1), /goes on at position/],
    [
      'more tokens than positions can tell apart',
      (_, info) => {
        info.tokens = info.next_position = info.segments[1]!.to = 2 ** 31 - 1;
      },
      /Too big/,
    ],
  ];
  it.each(forgeries)('is refused with %s, whatever its hashes say', (_what, edit, message) => {
    const before = tf.memory().numTensors;
    const copy = forged(edit);
    expect(() => loadContext(copy, model)).toThrow(message);
    expect(() => loadContext(copy, model)).toThrow(UserError);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('is read where nothing of it was forged', () => {
    disposeContext(
      loadContext(
        forged(() => undefined),
        model,
      ),
    );
  });

  it('meets damaged files with nothing but clear errors and no tensor left', () => {
    const runs = Number(process.env.KVD_FUZZ_RUNS ?? 400);
    const whole = readFileSync(path);
    const random = new Random('damage');
    const before = tf.memory().numTensors;
    const copy = join(folder, 'fuzz.safetensors');
    let refused = 0;
    for (let i = 0; i < runs; i++) {
      const length = random.uniform() < 0.2 ? random.int(whole.length) : whole.length;
      const bytes = Buffer.from(whole.subarray(0, length));
      const at = random.int(Math.max(1, i % 2 === 0 ? Math.min(length, 4000) : length));
      if (length > 0) bytes[at] = bytes[at]! ^ (1 << random.int(8));
      writeFileSync(copy, bytes);
      try {
        disposeContext(loadContext(copy, model));
      } catch (error) {
        expect(error).toBeInstanceOf(UserError);
        expect((error as UserError).where).toBe(copy);
        refused += 1;
      }
    }
    // What passes are flips in free text of the metadata, such as a document's name.
    expect(refused).toBeGreaterThan(0.9 * runs);
    expect(tf.memory().numTensors).toBe(before);
  });
});
