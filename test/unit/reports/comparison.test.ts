import { describe, expect, it } from 'vitest';
import { metrics } from '../../../src/evaluation/metrics/index.js';
import { comparison } from '../../../src/reports/comparison.js';
import { freshStore, measure } from '../../helpers/measured.js';

describe('the comparison', () => {
  it.each(Object.keys(metrics))('has a column for %s', (metric) => {
    const store = freshStore();
    measure(store, { method: 'kvd', metric, values: [1, 0, 1, 1] });
    const { columns, rows } = comparison(store.cellSummaries());
    expect(columns.map(({ key }) => key)).toContain(metric);
    expect(rows[0]![metric]).toMatchObject({ value: 75 });
  });

  it('has no column that nothing was marked by', () => {
    const store = freshStore();
    measure(store, { method: 'kvd', metric: 'choice_accuracy_norm', values: [1] });
    const keys = comparison(store.cellSummaries()).columns.map(({ key }) => key);
    expect(keys.filter((key) => key in metrics)).toEqual(['choice_accuracy_norm']);
  });
});
