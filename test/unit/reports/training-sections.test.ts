/** Sections on adapters that were trained in several ways: fine-tuning, Table 5, ablations. */
import { describe, expect, it } from 'vitest';
import type { Measurement } from '../../../src/reports/table.js';
import { freshStore, measure } from '../../helpers/measured.js';
import { build, mixed, right, tables, verdicts, wrong } from '../../helpers/sections.js';

describe('sections on training', () => {
  it('table 3 tells zero-shot from fine-tuned', () => {
    const store = freshStore();
    const given = { task: 'nano-govreport', metric: 'rougeL' };
    measure(store, { ...given, method: 'full', retention: 1, values: right });
    measure(store, { ...given, method: 'kvd', retention: 0.05, values: mixed });
    const config = { training: { init_adapter: 'x' }, method: { decay: false } };
    measure(store, { ...given, method: 'kvd', retention: 0.05, config, values: right });
    const section = build('table3', store)!;
    const row = tables(section)[0]!.rows.find(({ retention }) => retention === '5 %')!;
    expect(row['ours/kvd-zero-shot']).toMatchObject({ value: 50 });
    expect(row['ours/kvd-finetune']).toMatchObject({ value: 100 });
    expect(row['paper/kvd-finetune']).toMatchObject({ value: 23.2 });
    expect(verdicts(section)).toMatchObject({
      'kvd fine-tuned at 5 % within 1 ROUGE-L of uncompressed': 'holds',
      'kvd-finetune above kvd-zero-shot at 5 % (report summaries)': 'holds',
    });
  });

  it('table 3 takes seeds together that went on from adapters of their own', () => {
    const store = freshStore();
    const given = { task: 'nano-govreport', metric: 'rougeL', method: 'kvd', retention: 0.05 };
    for (const [seed, values] of [right, wrong, mixed].entries())
      measure(store, { ...given, seed, config: { training: { init_adapter: `general-${seed}` } }, values });
    const shown = (): unknown =>
      tables(build('table3', store)!)[0]!.rows.find(({ retention }) => retention === '5 %')![
        'ours/kvd-selection'
      ];
    expect(shown()).toMatchObject({ value: 50 });
    const other = { training: { init_adapter: 'another' } };
    measure(store, { ...given, seed: 2, config: other, values: right });
    expect(shown()).toMatchObject({ value: 100 });
  });

  it('reports are those that tell nothing else, fine-tuned adapters those whose keys are not scaled', () => {
    const store = freshStore();
    const given = { task: 'nano-govreport', metric: 'rougeL' };
    const asked = { evaluation: { task_options: { background: 'filler' } } };
    for (const [config, values] of [
      [{}, wrong],
      [asked, right],
    ] as const) {
      measure(store, { ...given, config, method: 'full', retention: 1, values });
      for (const decay of [true, false]) {
        const tuned = { ...config, training: { init_adapter: `${decay}` }, method: { decay } };
        measure(store, {
          ...given,
          config: tuned,
          method: 'kvd',
          retention: 0.05,
          values: decay ? mixed : values,
        });
      }
    }
    const section = build('reports', store)!;
    const [whole, kept] = tables(section)[0]!.rows;
    expect(whole!['kvd-finetune']).toMatchObject({ value: 100 });
    expect(kept).toMatchObject({ 'kvd-selection': { value: 50 }, 'kvd-finetune': { value: 100 } });
    expect(verdicts(section)).toEqual({
      'kvd fine-tuned at 5 % within 1 ROUGE-L of uncompressed (reports on their subjects alone)': 'holds',
    });
  });

  it('table 5 compares each row with λ = 0.6, seed by seed', () => {
    const store = freshStore();
    const rows: [config: Record<string, unknown>, values: number[]][] = [
      [{ training: { kl_forward_weight: 0.6 } }, right],
      [{ training: { kl_forward_weight: 1 } }, mixed],
      [{ training: { kl_forward_weight: 0.6, objective: 'ae_lm' } }, wrong],
      [{ training: { kl_forward_weight: 0.6 }, method: { routing: 'embedding' } }, mixed],
    ];
    for (const seed of [1, 2, 3])
      for (const [config, values] of rows)
        measure(store, { task: 'nano-qa', method: 'kvd', retention: 0.2, seed, config, values });
    const section = build('table5', store)!;
    const { rows: shown } = tables(section)[0]!;
    expect(Object.fromEntries(shown.map((row) => [row.row, row['gain/0.2']]))).toMatchObject({
      'lambda=0.6': null,
      'lambda=1': { value: -50 },
      'lambda=0': null,
      'AE+LM': { value: -100 },
      'no routing': { value: -50 },
    });
    expect(shown.map((row) => (row.paper as Measurement).value)).toEqual([83.4, 86, 85.3, 82.7, 79.1, 67.4]);
    expect(verdicts(section)['routing above no routing at 20 %']).toBe('holds');
    expect(verdicts(section)['λ = 0.6 above λ = 0 at 20 %']).toBe('unknown');
  });

  it('ablations name what was changed, and compare with the recipe in the middle', () => {
    const store = freshStore();
    const recipe = (method: object): Record<string, unknown> => ({ training: { max_steps: 9 }, method });
    const base = { eta: 2, decay: true };
    for (const [method, values] of [
      [base, right],
      [{ ...base, eta: 1 }, mixed],
      [{ ...base, decay: false }, right],
    ] as const)
      measure(store, {
        task: 'nano-qa',
        method: 'kvd',
        retention: 0.1,
        config: recipe(method),
        values: [...values],
      });
    const train = store.createRun({
      kind: 'train',
      name: 't',
      config: { ...recipe(base), model: { name_or_path: 'm' } },
      configHash: 'x',
      seed: 1,
      engine: {},
      machine: {},
      codeVersion: '',
      gitCommit: null,
    });
    for (const step of [50, 100]) store.addMetrics(train, step, { validation: step / 200 });
    const section = build('ablations', store)!;
    expect(tables(section)[0]!.rows.map((row) => [row.change, row['gain/0.1']])).toEqual([
      ['as it is', null],
      ['decay=false', expect.objectContaining({ value: 0 })],
      ['eta=1', expect.objectContaining({ value: -50 })],
    ]);
    expect(section.blocks[1]).toMatchObject({
      kind: 'chart',
      chart: {
        series: [
          {
            points: [
              { x: 50, y: 25 },
              { x: 100, y: 50 },
            ],
          },
        ],
      },
    });
  });
});
