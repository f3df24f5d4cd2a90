/** Experiment files and exports made of anything: a result or a UserError, never another error, never a hang. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { UserError } from '../../../src/base/errors.js';
import { exampleExperiment } from '../../../src/experiment/example.js';
import { loadExperiments } from '../../../src/experiment/resolve.js';
import { importRuns } from '../../../src/workflows/store-care.js';

const numRuns = Number(process.env.KVD_FUZZ_RUNS ?? 150);
const folder = mkdtempSync(join(tmpdir(), 'kvd-fuzz-'));
const file = join(folder, 'x.yaml');

/** Runs `work` on a file of this content. @returns whether it was taken */
function taken(content: string, work: () => unknown): boolean {
  writeFileSync(file, content);
  try {
    work();
    return true;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    expect(error.describe().length).toBeGreaterThan(0);
    return false;
  }
}

const load = (): unknown => loadExperiments(file);

it('text with a piece taken out, doubled or put in', () => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom(
      '&a',
      '*a',
      '<<: *a',
      '!!js/function',
      '__proto__: 1',
      '- ',
      '? ',
      '|\n',
      '\u0000',
      '{',
      '}}',
      '%YAML',
      '---',
      '\t',
    ),
  );
  const at = fc.nat(exampleExperiment.length);
  fc.assert(
    fc.property(at, fc.nat(40), piece, (start, length, text) => {
      taken(exampleExperiment.slice(0, start) + text + exampleExperiment.slice(start + length), load);
    }),
    { numRuns },
  );
});

it('values of any kind at any key, prototypes never touched', () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.constantFrom(
          'name',
          'seed',
          'model',
          'method',
          'training',
          'data',
          'evaluation',
          'sweep',
          'extends',
          'launcher',
          '__proto__',
          'constructor',
        ),
        fc.jsonValue(),
      ),
      (value) => {
        taken(JSON.stringify(value), load);
        expect(Object.keys(Object.prototype)).toEqual([]);
      },
    ),
    { numRuns },
  );
});

it('documents that would grow beyond all bounds are refused at once', () => {
  const doubled = Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`).join('\n');
  for (const text of [
    `a0: &a0 [1, 1]\n${doubled}`,
    `name: ${'x'.repeat(2 ** 20)}`,
    '['.repeat(50_000),
    `a: &a [*a]`,
  ]) {
    const started = performance.now();
    expect(taken(text, load)).toBe(false);
    expect(performance.now() - started).toBeLessThan(10_000);
  }
});

it('exports made of any lines', () => {
  const line = fc.oneof(
    fc.json(),
    fc.constantFrom(
      '{"format":"kvd-runs","version":1}',
      '{"records":1}',
      '{"records":0}',
      '{"run":{"id":"../x"}}',
      '{"metric":{"step":1,"name":"a","value":1e999,"at":""}}',
    ),
  );
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      taken(lines.join('\n'), () => importRuns(join(folder, 'x.sqlite'), file));
    }),
    { numRuns: Math.min(numRuns, 1000) },
  );
});
