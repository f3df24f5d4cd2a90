/** Every target of `kvd reproduce`: its experiments are there, and its section says what was measured and no more. */
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Section } from '../../../src/reports/document.js';
import { evidenceOf } from '../../../src/reports/evidence.js';
import { readPublished } from '../../../src/reports/published.js';
import { targets } from '../../../src/reports/sections/index.js';
import { sectionOf } from '../../../src/reports/sections/section.js';
import type { Measurement, Table } from '../../../src/reports/table.js';
import type { Store } from '../../../src/store/store.js';
import { freshStore, measure } from '../../helpers/measured.js';

const right = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
const wrong = right.map(() => 0);
const mixed = [1, 0, 1, 0, 1, 0, 1, 0, 1, 0];

function build(name: string, store: Store): Section | undefined {
  return sectionOf(targets.get(name), evidenceOf(store));
}

function tables({ blocks }: Section): Table[] {
  return blocks.flatMap((block) => (block.kind === 'table' ? [block.table] : []));
}

function verdicts({ claims }: Section): Record<string, string> {
  return Object.fromEntries(claims.map(({ text, verdict }) => [text, verdict]));
}

/** uncompressed right, kvd right, h2i wrong, at 20 % and 10 %. */
function curve(store: Store, task: string, metric: string): void {
  measure(store, { task, metric, method: 'full', retention: 1, values: right });
  measure(store, { task, metric, method: 'none', retention: null, budgetLabel: 'no context', values: wrong });
  for (const retention of [0.2, 0.1]) {
    for (const seed of [1, 2])
      measure(store, { task, metric, method: 'kvd', seed, retention, values: right });
    measure(store, { task, metric, method: 'h2i', retention, values: retention === 0.2 ? wrong : mixed });
  }
}

describe.each(targets.names())('target %s', (name) => {
  const target = targets.get(name);
  it('has its experiments, in full and quick', () => {
    for (const file of target.experiments)
      for (const ending of ['', '-quick'])
        expect(existsSync(`experiments/nano/${file}${ending}.yaml`), `${file}${ending}`).toBe(true);
    for (const parent of Object.values(target.startsFrom ?? {})) expect(target.experiments).toContain(parent);
  });
  it('shows nothing where nothing was measured', () => {
    expect(build(name, freshStore())).toBeUndefined();
  });
});

describe('sections', () => {
  it.each([
    ['figure4', 'nano-long-qa', 'letter_accuracy', 'long-context questions'],
    ['figure5', 'nano-squality', 'rougeL', 'question-focused summaries'],
  ])('%s draws methods against retention', (name, task, metric, what) => {
    const store = freshStore();
    curve(store, task, metric);
    const section = build(name, store)!;
    const [chart] = section.blocks.flatMap((block) => (block.kind === 'chart' ? [block.chart] : []));
    expect(chart).toMatchObject({
      kind: 'lines',
      series: [
        {
          name: 'kvd',
          points: [
            { x: 0.2, y: 100 },
            { x: 0.1, y: 100 },
          ],
        },
        {
          name: 'h2i',
          points: [
            { x: 0.2, y: 0 },
            { x: 0.1, y: 50 },
          ],
        },
      ],
      rules: [
        { name: 'uncompressed', y: 100 },
        { name: 'no context', y: 0 },
      ],
    });
    expect(verdicts(section)).toMatchObject({
      [`kvd above h2i at every ratio of 20 % and below (${what})`]: 'holds',
      [`kvd above h2i at 10 % (${what})`]: 'holds',
    });
    const [table] = tables(section);
    expect((table!.rows[0]!.kvd as Measurement).sources).toHaveLength(2);
  });

  it('table 2 has every number that the paper gives, and ours in columns of their own', () => {
    const store = freshStore();
    const given = { task: 'nano-qa', model: 'tiny' };
    measure(store, { ...given, method: 'full', retention: 1, values: right });
    measure(store, { ...given, method: 'kvd', retention: 0.2, values: mixed });
    measure(store, { ...given, method: 'icae', retention: 0.57, values: wrong });
    const section = build('table2', store)!;
    const { rows } = tables(section)[0]!;
    const published = readPublished().table2_squad.rows;
    const shown = rows.flatMap((row) =>
      Object.keys(row).filter((key) => key.startsWith('paper/') && row[key] !== null),
    );
    expect(shown).toHaveLength(published.length);
    const row = rows.find(({ method, retention }) => method === 'kvd' && retention === '20 %')!;
    expect(row['ours/tiny']).toMatchObject({ value: 50, delta: -50 });
    expect(row['paper/Llama-3 8B']).toMatchObject({ value: 86, stderr: 0.7 });
    expect(verdicts(section)).toMatchObject({
      'kvd at 20 % above ICAE at 57 %': 'holds',
      'kvd at 20 % within 3 points of uncompressed': 'fails',
      'kvd above h2i at 20 % (extractive questions)': 'unknown',
    });
  });

  it('table 2 keeps to one set of questions', () => {
    const store = freshStore();
    const asked = (limit: number): object => ({ evaluation: { limit } });
    for (const method of ['full', 'h2i'])
      measure(store, { task: 'nano-qa', method, config: asked(10) as never, values: right });
    measure(store, { task: 'nano-qa', method: 'full', config: asked(5) as never, values: wrong });
    const [table] = tables(build('table2', store)!);
    expect(table!.notes.join(' ')).toContain('Other evaluations are stored too');
    expect(table!.rows.find(({ method }) => method === 'full')).toMatchObject({ 'ours/m': null });
  });

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

  it('figure 3 maps accuracy by length, depth and retention', () => {
    const store = freshStore();
    const tags = (i: number): string[] => [`length=${i < 5 ? 128 : 256}`, `depth=${i % 2 === 0 ? 0 : 100}`];
    const values = [1, 0, 1, 0, 1, 1, 1, 1, 1, 1];
    measure(store, { task: 'nano-needle', method: 'kvd', retention: 0.1, values, tags });
    measure(store, { task: 'nano-needle', method: 'h2i', retention: 0.1, values: wrong, tags });
    const section = build('figure3', store)!;
    const maps = section.blocks.flatMap((block) =>
      block.kind === 'chart' && block.chart.kind === 'heatmap' ? [block.chart] : [],
    );
    expect(maps[0]!.facets[0]!.cells.map(({ x, y, value }) => [x, y, value])).toEqual([
      [128, '10 %', 60],
      [256, '10 %', 100],
    ]);
    expect(maps[1]!.facets[0]!.cells.map(({ x, y, value }) => [x, y, value])).toEqual([
      [128, 0, 100],
      [256, 0, 100],
      [128, 100, 0],
      [256, 100, 100],
    ]);
  });

  it('figure 6 shows the same questions at every ratio, with what nothing supports marked', () => {
    const store = freshStore();
    const given = { task: 'nano-squality', metric: 'rougeL', references: ['Mina Nolan has color green.'] };
    measure(store, {
      ...given,
      method: 'full',
      retention: 1,
      values: right,
      output: 'Mina Nolan has color green.',
    });
    measure(store, {
      ...given,
      method: 'kvd',
      retention: 0.01,
      values: wrong,
      output: 'Mina Nolan has color red.',
    });
    const section = build('figure6', store)!;
    const [block] = section.blocks;
    const items = block!.kind === 'side-by-side' ? block!.items : [];
    expect(items.map(({ title }) => title)).toEqual(['s0', 's1', 's2']);
    expect(items[0]!.texts.map(({ label, note }) => `${label}: ${note}`)).toEqual([
      'uncompressed: ROUGE-L 100.0, 0 of 1 statements unsupported',
      'kvd at 1 %: ROUGE-L 0.0, 1 of 1 statements unsupported',
    ]);
    expect(tables(section)[0]!.rows.map(({ unsupported }) => (unsupported as Measurement).value)).toEqual([
      0, 100,
    ]);
  });

  it('table 1 gives mean and greatest length, intrinsic KL and perplexity', () => {
    const store = freshStore();
    measure(store, { task: 'nano-long-qa', method: 'full', retention: 1, values: right });
    measure(store, { task: 'nano-long-qa', method: 'h2i', metric: 'kl', values: right });
    const lengths = tables(build('table1', store)!)[0]!.rows.find(({ dataset }) => dataset === 'QuALITY')!;
    expect(lengths).toMatchObject({
      task: 'nano-long-qa',
      average: { value: 100 },
      max: { value: 100 },
      'paper/average': { value: 6000 },
      'paper/max': { value: 9000 },
    });
    expect(tables(build('intrinsic', store)!)[0]!.rows.at(-1)).toMatchObject({
      method: 'h2i',
      kl: { value: 1, digits: 3 },
      perplexity: null,
    });
  });
});

describe('methods', () => {
  const [many, few] = [Array.from({ length: 200 }, () => 1), Array.from({ length: 200 }, (_, i) => i % 2)];
  const scored = (options: object): string => JSON.stringify(options);

  it('ranks methods, ties where they differ by less than their errors, those that see the question apart', () => {
    const store = freshStore();
    const measured = (method: string, values: number[], more: object = {}): string =>
      measure(store, { name: 'methods-1', task: 'nano-qa', method, retention: 0.2, values, ...more });
    measured('full', many, { retention: 1 });
    measured('kvzip', many);
    measured('knorm', few);
    measured('adakv', few.slice(1).concat(1), { methodOptions: scored({ of: { name: 'tova', n_sink: 1 } }) });
    measured('tova', many, { methodOptions: scored({ question: true }) });
    measured('random', few, { name: 'other' });
    const [aside, aware, task] = tables(build('methods', store)!);
    expect(aside!.rows.map(({ rank, method }) => [rank, method])).toEqual([
      ['1', 'kvzip'],
      ['2 =', 'adakv of tova'],
      ['2 =', 'knorm'],
    ]);
    expect((aside!.rows[2]!['20 %'] as Measurement).value).toBe(50);
    expect(aware!.rows.map(({ rank, method }) => [rank, method])).toEqual([['1', 'tova (question)']]);
    expect(task!.rows.map(({ method }) => method)).not.toContain('random');
  });

  it('gives no mean where a task is missing', () => {
    const store = freshStore();
    for (const task of ['nano-qa', 'nano-needle']) {
      measure(store, { name: 'methods-1', task, method: 'kvzip', retention: 0.2, values: many });
    }
    measure(store, { name: 'methods-1', task: 'nano-qa', method: 'knorm', retention: 0.2, values: many });
    const [board] = tables(build('methods', store)!);
    expect(board!.rows.map(({ method, rank, overall }) => [method, rank, overall === null])).toEqual([
      ['kvzip', '1', false],
      ['knorm', null, true],
    ]);
  });
});
