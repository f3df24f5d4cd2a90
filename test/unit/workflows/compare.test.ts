import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Store } from '../../../src/store/store.js';
import { compareRuns } from '../../../src/workflows/compare.js';
import { cell, run, sample } from '../../helpers/rows.js';

const db = join(mkdtempSync(join(tmpdir(), 'kvd-')), 'compare.sqlite');

/** An evaluation of one cell with the given marks, one sample each. */
function evaluated(eta: number, seed: number, marks: readonly number[]): string {
  const store = Store.open(db);
  try {
    const id = store.createRun({
      ...run,
      config: { method: { eta }, data: 'nano' },
      configHash: `${eta}/${seed}`,
      seed,
    });
    const cellId = store.openCell(id, { ...cell, methodOptions: JSON.stringify({ eta }), seed });
    store.addSamples(
      cellId,
      marks.map((mark, i) => sample(`q${i}`, { accuracy: mark, f1: mark, rougeL: mark / 2 })),
    );
    store.setStatus(id, 'finished');
    return id;
  } finally {
    store.close();
  }
}

const repeated = (pattern: readonly number[]): number[] => Array.from({ length: 20 }, () => pattern).flat();

describe('comparing runs', () => {
  it('pairs two runs by sample, shows what differs alone, and tests with McNemar', () => {
    const first = evaluated(1, 1, repeated([1, 0, 0]));
    const second = evaluated(2, 1, repeated([1, 1, 0]));
    const { value, text } = compareRuns(db, [first], [second]);
    expect(value.differences).toEqual([{ key: 'method.eta', first: '1', second: '2' }]);
    expect(value.comparisons).toHaveLength(1);
    const [accuracy, f1, rouge] = value.comparisons[0]!.metrics;
    expect(accuracy).toMatchObject({ metric: 'accuracy', n: 60, test: 'McNemar' });
    expect(accuracy!.p).toBeCloseTo(2 * 0.5 ** 20, 12);
    expect(f1).toMatchObject({ metric: 'f1', p: accuracy!.p });
    expect(rouge).toMatchObject({ metric: 'rougeL', test: 'paired bootstrap' });
    expect(rouge!.difference.mean).toBeCloseTo(1 / 6, 12);
    expect(text).toContain('rougeL %');
    expect(text).not.toContain('data');
  });

  it('averages seeds sample by sample before it pairs them', () => {
    const first = [evaluated(3, 1, repeated([1, 0])), evaluated(3, 2, repeated([0, 0]))];
    const second = [evaluated(4, 1, repeated([1, 1])), evaluated(4, 2, repeated([1, 0]))];
    const [accuracy] = compareRuns(db, first, second).value.comparisons[0]!.metrics;
    expect(accuracy).toMatchObject({
      n: 40,
      first: 0.25,
      second: 0.75,
      difference: { mean: 0.5, low: 0.5, high: 0.5 },
      test: 'paired bootstrap',
    });
    expect(accuracy!.p).toBeLessThan(0.002);
  });

  it('says so where nothing can be paired', () => {
    const empty = evaluated(5, 1, []);
    const full = evaluated(5, 2, [1]);
    expect(() => compareRuns(db, [empty], [full])).toThrow('share no sample');
  });
});
