/** Files of records: what stands in them, where something is wrong, and that anything else is refused clearly. */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/errors.js';
import { openRows } from '../../../src/data/rows/index.js';
import type { Rows } from '../../../src/data/rows/rows.js';
import { problemOf } from '../../helpers/problems.js';

const folder = mkdtempSync(join(tmpdir(), 'kvd-rows-'));

function written(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const values = (rows: Rows): unknown[] => Array.from({ length: rows.size }, (_, i) => rows.get(i).value);
const whole = (path: string): unknown[] => values(openRows(path));

const text = fc.string({ unit: 'grapheme' });
const records = fc.array(fc.record({ a: text, b: fc.oneof(text, fc.integer(), fc.constant(null)) }), {
  maxLength: 12,
});

describe('JSON', () => {
  it('gives back what was written, as lines and as an array, however it is spaced', () => {
    const property = fc.property(records, fc.constantFrom(0, 2), fc.boolean(), (all, indent, returns) => {
      const newline = returns ? '\r\n\n' : '\n';
      const lines = all.map((record) => JSON.stringify(record)).join(newline);
      expect(whole(written('all.jsonl', lines))).toEqual(all);
      expect(whole(written('all.json', JSON.stringify(all, null, indent)))).toEqual(all);
    });
    fc.assert(property, { numRuns: 60 });
  });

  it('takes a byte order mark, and a single object as the one record', () => {
    expect(whole(written('bom.jsonl', '\uFEFF{"a":1}\n{"a":2}'))).toEqual([{ a: 1 }, { a: 2 }]);
    expect(whole(written('bom.json', '\uFEFF [{"a":[1,{"b":"]"}]}, 2]'))).toEqual([
      { a: [1, { b: ']' }] },
      2,
    ]);
    expect(whole(written('one.json', '{"a": [1, 2]}'))).toEqual([{ a: [1, 2] }]);
  });

  it.each([
    ['lines.jsonl', '{"a":1}\n\n{"a":\n', 'lines.jsonl:3:6'],
    ['word.jsonl', '{"a":1}\n{"a":nope}\n', 'word.jsonl:2:7'],
    ['array.json', '[{"a":1},\n {"a" 2}]', 'array.json:2:7'],
    ['open.json', '[{"a":1},\n{"a":2}', 'open.json:2'],
    ['after.json', '[{"a":1}] x', 'after.json:1:11'],
    ['latin.jsonl', Buffer.from('{"a":"\xe4"}', 'latin1'), 'latin.jsonl:1'],
  ])('says where %s is wrong', (name, content, where) => {
    const problem = problemOf(() => whole(written(name, content)));
    expect(problem.where).toBe(join(folder, where));
  });
});

describe('CSV', () => {
  const quoted = (field: unknown): string => `"${String(field).replaceAll('"', '""')}"`;

  it('gives back what was written, marks and line breaks within fields included', () => {
    const property = fc.property(fc.array(fc.tuple(text, text), { maxLength: 8 }), (all) => {
      const lines = [['a', 'b'], ...all].map((fields) => fields.map(quoted).join(','));
      const expected = all.map(([a, b]) => ({ a, b }));
      expect(whole(written('all.csv', lines.join('\r\n')))).toEqual(expected);
    });
    fc.assert(property, { numRuns: 60 });
  });

  it('reads tabs', () => {
    expect(whole(written('t.tsv', 'a\tb\n1\tx, y\n'))).toEqual([{ a: '1', b: 'x, y' }]);
  });

  it.each([
    ['short.csv', 'a,b\n1,2\n"x\ny",\n3\n', 'short.csv:5', '1 fields'],
    ['mark.csv', 'a,b\n1,x"y"\n', 'mark.csv:2, column 2', 'uot'],
    ['open.csv', 'a,b\n1,"x\n', 'open.csv:2, column 2', 'uot'],
    ['twice.csv', 'a,a\n1,2\n', 'twice.csv:1', 'two columns'],
    ['nothing.csv', '\n', 'nothing.csv', 'no line of column names'],
  ])('says where %s is wrong', (name, content, where, message) => {
    const problem = problemOf(() => whole(written(name, content)));
    expect(problem.where).toBe(join(folder, where));
    expect(problem.message).toContain(message);
  });
});

const golden = 'test/golden/parquet';

describe('Parquet', () => {
  const expected = JSON.parse(readFileSync(join(golden, 'rows.json'), 'utf8')) as Record<string, unknown>[];

  it.each(['none', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4'])('%s: the rows that pyarrow wrote', (codec) => {
    const rows = openRows(join(golden, `${codec}.parquet`));
    expect(rows.stretches).toEqual([9, 9, 9, 9, 4]);
    expect(values(rows)).toEqual(expected);
    expect(rows.get(30).where).toBe(`${join(golden, codec)}.parquet, row 31`);
  });

  it('reads only the columns that are wanted', () => {
    const rows = openRows(join(golden, 'zstd.parquet'), ['answers', 'none']);
    expect(rows.get(5).value).toEqual({ answers: expected[5]!.answers });
  });

  it('refuses a few bytes that stand for endless rows before it takes memory for them', () => {
    const before = process.memoryUsage().rss;
    const problem = problemOf(() => openRows(join(golden, 'bomb.parquet')).get(0));
    expect(problem.code).toBe('bad-parquet');
    expect(problem.message).toContain('16777217 values');
    expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 27);
  });

  it('refuses what is none, and what is cut off', () => {
    const file = readFileSync(join(golden, 'snappy.parquet'));
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.from('PAR1'),
      Buffer.alloc(100),
      file.subarray(0, -20),
      file.subarray(500),
    ]) {
      expect(problemOf(() => whole(written('bad.parquet', bytes))).code).toBe('bad-parquet');
    }
  });
});

describe('a folder', () => {
  it('is all its files in the order of their names, with texts only where there is nothing else', () => {
    const path = join(folder, 'many');
    mkdirSync(join(path, 'in'), { recursive: true });
    writeFileSync(join(path, 'README.md'), 'notes');
    writeFileSync(join(path, 'b.csv'), 'a\n3\n');
    writeFileSync(join(path, 'a.jsonl'), '{"a":1}\n{"a":2}\n');
    writeFileSync(join(path, 'in', 'c.json'), '[{"a":4}]');
    expect(whole(path)).toEqual([{ a: 1 }, { a: 2 }, { a: '3' }, { a: 4 }]);
    const texts = join(folder, 'texts');
    mkdirSync(texts);
    expect(problemOf(() => openRows(texts)).code).toBe('empty-folder');
    writeFileSync(join(texts, 'x.txt'), ' one\ntwo\n');
    expect(whole(texts)).toEqual([{ text: 'one\ntwo', file: 'x.txt' }]);
    expect(problemOf(() => openRows(written('x.xml', ''))).code).toBe('unknown-format');
    expect(problemOf(() => openRows(join(folder, 'none.csv'))).code).toBe('missing-file');
  });
});

/** Bytes changed, taken out, put in, or cut off. */
function mutate(bytes: Buffer, edits: readonly (readonly [number, number, number])[]): Buffer {
  return edits.reduce((data, [kind, place, byte]) => {
    const at = Math.floor(place * data.length);
    const [head, tail] = [data.subarray(0, at), data.subarray(at)];
    if (kind === 0) return Buffer.concat([head, Buffer.from([byte]), tail.subarray(1)]);
    if (kind === 1) return Buffer.concat([head, tail.subarray(1 + (byte % 16))]);
    if (kind === 2) return Buffer.concat([head, Buffer.from([byte, byte]), tail]);
    return head;
  }, bytes);
}

describe('damaged files', () => {
  const runs = Number(process.env.KVD_FUZZ_RUNS ?? 150);
  const edit = fc.tuple(
    fc.integer({ min: 0, max: 3 }),
    fc.double({ min: 0, max: 0.999, noNaN: true }),
    fc.integer({ min: 0, max: 255 }),
  );
  const edits = fc.array(edit, { minLength: 1, maxLength: 4 });
  const samples: [string, Buffer][] = [
    ['f.jsonl', Buffer.from('{"a":"x","b":[1,2]}\n{"a":"ü","b":{"c":null}}\n')],
    ['f.json', Buffer.from('[{"a":"x"}, {"a":"ü \\"]","b":{"c":[null]}}]')],
    ['f.csv', Buffer.from('a,b\n1,"x\n""y"""\n2,z\n')],
    ['f-none.parquet', readFileSync(join(golden, 'none.parquet'))],
    ['f-snappy.parquet', readFileSync(join(golden, 'snappy.parquet'))],
    ['f-brotli.parquet', readFileSync(join(golden, 'brotli.parquet'))],
    ['f-zstd.parquet', readFileSync(join(golden, 'zstd.parquet'))],
  ];
  it.each(samples)(
    '%s: read, or refused with a place and no other error',
    (name, bytes) => {
      const property = fc.property(edits, (changes) => {
        const path = written(name, mutate(bytes, changes));
        try {
          whole(path);
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
          expect(error.where).toContain(path);
        }
      });
      fc.assert(property, { numRuns: runs });
    },
    3_600_000,
  );
});
