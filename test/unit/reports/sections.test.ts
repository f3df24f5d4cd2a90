/** Every target of `kvd reproduce`: its experiments are there, and its section says what was measured and no more. */
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readPublished } from '../../../src/reports/published.js';
import { targets } from '../../../src/reports/sections/index.js';
import type { Measurement } from '../../../src/reports/table.js';
import type { Store } from '../../../src/store/store.js';
import { freshStore, measure } from '../../helpers/measured.js';
import { build, mixed, right, tables, verdicts, wrong } from '../../helpers/sections.js';

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

  it('figure 4 compares with uncompressed by letters and by likelihoods', () => {
    const store = freshStore();
    const given = { task: 'nano-long-qa', retention: 0.1 };
    const metric = ['letter_accuracy', 'choice_accuracy'];
    measure(store, { ...given, metric, method: 'full', retention: 1, values: right });
    measure(store, { ...given, metric: 'letter_accuracy', method: 'kvd', values: right });
    const ofLetters = 'kvd at 10 % within 5 points of uncompressed (long-context questions)';
    const ofLikelihoods = ofLetters.replace(')', ', by likelihood of the choices)');
    expect(verdicts(build('figure4', store)!)).toMatchObject({
      [ofLetters]: 'holds',
      [ofLikelihoods]: 'unknown',
    });
    measure(store, { ...given, metric, method: 'kvd', values: wrong });
    expect(verdicts(build('figure4', store)!)).toMatchObject({
      [ofLetters]: 'fails',
      [ofLikelihoods]: 'fails',
    });
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
