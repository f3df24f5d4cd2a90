import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/errors.js';
import { openCheckpoint, openSafetensors, writeSafetensors } from '../../../src/models/safetensors.js';

const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
const path = join(folder, 'x.safetensors');

function fileOf(header: unknown, data: Uint8Array): string {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const bad = join(folder, 'bad.safetensors');
  writeFileSync(bad, Buffer.concat([length, text, data]));
  return bad;
}

describe('safetensors', () => {
  it('reads what it writes, bf16 rounded to nearest even', () => {
    const values = Float32Array.from([1, -2.5, 3.14159, 1.00390625, 65504]);
    writeSafetensors(
      path,
      new Map([
        ['b', { dtype: 'BF16', shape: [5], data: values }],
        ['a', { dtype: 'F32', shape: [5, 1], data: values }],
        ['i', { dtype: 'I32', shape: [2], data: Int32Array.from([7, -7]) }],
      ]),
      { note: 'x' },
    );
    const file = openSafetensors(path);
    expect(file.metadata).toEqual({ format: 'pt', note: 'x' });
    expect(file.readFloat('a')).toEqual({ shape: [5, 1], data: values });
    expect(Array.from(file.readFloat('b').data)).toEqual([1, -2.5, 3.140625, 1, 65536]);
    expect(Array.from(file.readInt('i').data)).toEqual([7, -7]);
    expect(() => file.readFloat('none')).toThrow(/no tensor named none/);
    file.close();
  });

  const entry = (over: object): object => ({
    t: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...over },
  });
  it.each([
    ['a truncated file', entry({}), 4],
    ['bytes too many', entry({}), 12],
    ['an unknown type', entry({ dtype: 'F99' }), 8],
    ['an inherited name as type', entry({ dtype: 'constructor' }), 8],
    ['a negative size', entry({ shape: [-2] }), 8],
    ['a shape that does not fit', entry({ shape: [3] }), 8],
    ['a gap', entry({ data_offsets: [4, 12] }), 12],
    [
      'a misaligned tensor',
      { u: { dtype: 'U8', shape: [1], data_offsets: [0, 1] }, ...entry({ data_offsets: [1, 9] }) },
      9,
    ],
    ['an overlap', { ...entry({}), u: { dtype: 'F32', shape: [2], data_offsets: [4, 12] } }, 12],
    ['a header that is a list', [], 0],
    ['a header that is not JSON', '{"t":', 0],
    ['metadata of numbers', { __metadata__: { a: 1 } }, 0],
    ['a huge shape', entry({ shape: [1e15, 1e15] }), 8],
  ])('refuses %s by name', (_what, header, bytes) => {
    const bad = fileOf(header, new Uint8Array(bytes));
    expect(() => openSafetensors(bad)).toThrow(UserError);
    try {
      openSafetensors(bad);
    } catch (error) {
      expect((error as UserError).where).toBe(bad);
    }
  });

  it.each([
    ['F8_E4M3', /F8_E4M3.*float/],
    ['I64', /I64.*float/],
  ])('refuses to read %s as float', (dtype, message) => {
    const bytes = dtype === 'I64' ? 16 : 2;
    const file = openSafetensors(fileOf(entry({ dtype, data_offsets: [0, bytes] }), new Uint8Array(bytes)));
    expect(() => file.readFloat('t')).toThrow(message);
    file.close();
  });

  it.each([
    ['{"t": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}, "\\u0074": {}}', '"t" twice'],
    ['{"__metadata__": {"a": "{\\"b\\": 1}", "a": "\\\\"}}', '"a" twice'],
  ])('refuses the key that %s has twice', (header, message) => {
    expect(() => openSafetensors(fileOf(header, new Uint8Array(0)))).toThrow(message);
  });

  it('reads halves and doubles', () => {
    const header = {
      ...{ d: { dtype: 'F64', shape: [2], data_offsets: [0, 16] } },
      ...{ h: { dtype: 'F16', shape: [6], data_offsets: [16, 28] } },
    };
    const data = Buffer.alloc(28);
    [0.1, -3e300].forEach((value, i) => data.writeDoubleLE(value, 8 * i));
    [0x3c00, 0xc100, 0x0001, 0x7bff, 0xfc00, 0x7e00].forEach((half, i) =>
      data.writeUInt16LE(half, 16 + 2 * i),
    );
    const file = openSafetensors(fileOf(header, data));
    expect(Array.from(file.readFloat('d').data)).toEqual([Math.fround(0.1), -Infinity]);
    expect(Array.from(file.readFloat('h').data)).toEqual([1, -2.5, 2 ** -24, 65504, -Infinity, NaN]);
    const part = new Float32Array(2);
    file.readFloats('h', 3, part);
    expect(Array.from(part)).toEqual([65504, -Infinity]);
    file.close();
  });

  it('keeps an index inside its folder', () => {
    const index = { weight_map: { w: '../x.safetensors' } };
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify(index));
    expect(() => openCheckpoint(folder)).toThrow(/no file of this folder/);
  });
});
