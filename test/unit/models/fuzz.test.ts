/** Damaged files give clear errors and no others. KVD_FUZZ_RUNS=10000 runs so many mutations of each kind. */
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, expect, it, vi } from 'vitest';
import { UserError } from '../../../src/base/errors.js';
import { readModelConfig } from '../../../src/models/config.js';
import { openSafetensors } from '../../../src/models/safetensors.js';
import { loadTokenizer } from '../../../src/models/tokenizer.js';
import { golden } from '../../helpers/golden.js';

const runs = Number(process.env.KVD_FUZZ_RUNS ?? 60);
const folder = mkdtempSync(join(tmpdir(), 'kvd-'));

// The tokenizers' library warns of patterns that it does not know.
beforeAll(() => void vi.spyOn(console, 'warn').mockReturnValue());

/** Bytes changed in the first 600 (where headers are) or anywhere, and the end cut off. */
const damage = (bytes: Buffer): fc.Arbitrary<Buffer> =>
  fc
    .record({
      changes: fc.array(
        fc.tuple(fc.oneof(fc.nat(Math.min(600, bytes.length) - 1), fc.nat(bytes.length - 1)), fc.nat(255)),
        { maxLength: 4 },
      ),
      length: fc.option(fc.nat(bytes.length), { freq: 4, nil: bytes.length }),
    })
    .map(({ changes, length }) => {
      const copy = Buffer.from(bytes);
      for (const [at, byte] of changes) copy[at] = byte;
      return copy.subarray(0, length);
    });

const strange = fc.oneof(
  fc.constantFrom(null, true, -1, 0, 1.5, 1e308, '', 'x', [], {}, [[]], { type: 'Sequence' }, '__proto__'),
  fc.jsonValue({ maxDepth: 1 }),
);

/** One value, however deep, replaced by a strange one or left out. */
const twist = (json: unknown): fc.Arbitrary<unknown> =>
  fc
    .record({
      steps: fc.array(fc.nat(1e6), { minLength: 1, maxLength: 6 }),
      value: strange,
      remove: fc.boolean(),
    })
    .map(({ steps, value, remove }) => {
      const copy = structuredClone(json) as Record<string, unknown>;
      let at: Record<string, unknown> = copy;
      for (const [i, step] of steps.entries()) {
        const keys = Object.keys(at);
        if (keys.length === 0) break;
        const key = keys[step % keys.length]!;
        const next = at[key];
        if (i + 1 < steps.length && typeof next === 'object' && next !== null)
          at = next as Record<string, unknown>;
        else {
          if (remove && !Array.isArray(at)) delete at[key];
          else at[key] = value;
          break;
        }
      }
      return copy;
    });

/** How many of the mutations `read` refused, with nothing but UserErrors that name a place. */
function refusals<T>(mutations: fc.Arbitrary<T>, read: (mutation: T) => void): number {
  let refused = 0;
  fc.assert(
    fc.property(mutations, (mutation) => {
      try {
        read(mutation);
      } catch (error) {
        if (!(error instanceof UserError) || error.where === undefined) throw error;
        refused += 1;
      }
    }),
    { numRuns: runs, seed: 1 },
  );
  return refused;
}

it('safetensors', () => {
  const whole = readFileSync(join(golden('llama4-sharded'), 'model-00004-of-00004.safetensors'));
  const path = join(folder, 'fuzz.safetensors');
  const refused = refusals(damage(whole), (bytes) => {
    writeFileSync(path, bytes);
    const file = openSafetensors(path);
    try {
      file.names().forEach((name) => file.readFloat(name));
    } finally {
      file.close();
    }
  });
  expect(refused).toBeGreaterThan(runs / 4);
});

it('config.json', () => {
  const text = readFileSync(join(golden('gemma2'), 'config.json'));
  const path = join(folder, 'config.json');
  const read = (content: string | Buffer): void => {
    writeFileSync(path, content);
    readModelConfig(folder);
  };
  expect(refusals(damage(text), read)).toBeGreaterThan(runs / 4);
  const json: unknown = JSON.parse(text.toString());
  expect(refusals(twist(json), (value) => read(JSON.stringify(value)))).toBeGreaterThan(runs / 20);
});

it.each(['llama2', 'llama3', 'unigram'])('tokenizer.json of %s', (name) => {
  const own = mkdtempSync(join(tmpdir(), 'kvd-'));
  cpSync(golden(`tokenizers/${name}`), own, { recursive: true });
  const path = join(own, 'tokenizer.json');
  const text = readFileSync(path);
  const read = (content: string | Buffer): void => {
    writeFileSync(path, content);
    const tokenizer = loadTokenizer(own);
    tokenizer.decode(tokenizer.encode(['Hello <s> wörld 12\n', { control: '</s> 🙂' }]));
  };
  expect(refusals(damage(text), read)).toBeGreaterThan(runs / 8);
  expect(
    refusals(twist(JSON.parse(text.toString())), (value) => read(JSON.stringify(value))),
  ).toBeGreaterThan(0);
});
