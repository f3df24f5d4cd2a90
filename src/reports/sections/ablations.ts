/** Beyond the paper: one thing of kvd changed at a time, and accuracy against steps of training. */
import type { Block, LineChart } from '../document.js';
import { differences } from '../differences.js';
import { difference } from '../effects.js';
import {
  measurement,
  origin,
  percent,
  retentions,
  sameQuestions,
  type Config,
  type Evidence,
  type Training,
} from '../evidence.js';
import { groupCells, newestPerSeed, type Group } from '../groups.js';
import type { Cell, Column, Table } from '../table.js';
import { DOMAINS } from './domains.js';
import type { Target } from './section.js';

/** How an adapter was made, the seed apart. */
function recipe(config: Config): unknown {
  const { output_dir: _folder, save_steps: _often, ...training } = config.training ?? {};
  return { method: config.method, data: config.data, training };
}

/** What sets `config` apart from `base`: `eta=1, lora_alpha=1`; '' where nothing does. */
function change(base: Config, config: Config): string {
  return differences([recipe(base), recipe(config)])
    .map(({ key, values }) => `${/(?:scores\.)?[^.]+$/.exec(key)![0]}=${values[1] ?? '—'}`)
    .join(', ');
}

interface Variant {
  config: Config;
  groups: Group[];
}

/** Groups by recipe: each has one group a ratio. */
function variantsOf(evidence: Evidence): Variant[] {
  const variants = new Map<string, Variant>();
  for (const group of groupCells(evidence.cells.filter(({ method }) => method === 'kvd'))) {
    const config = group.cells[0]!.config as Config;
    const key = JSON.stringify(recipe(config));
    const variant = variants.get(key) ?? { config, groups: [] };
    variant.groups.push(group);
    variants.set(key, variant);
  }
  return [...variants.values()];
}

/** The recipe from which all others are the fewest changes away. */
function centre(configs: readonly Config[]): Config {
  const distance = (config: Config): number =>
    configs.reduce((sum, other) => sum + differences([recipe(config), recipe(other)]).length, 0);
  return configs.reduce((best, config) => (distance(config) < distance(best) ? config : best));
}

function tableOf(evidence: Evidence, metric: string, title: string, notes: readonly string[]): Table {
  const variants = variantsOf(evidence);
  const base = centre(variants.map(({ config }) => config));
  const ratios = retentions(evidence.cells, 'kvd');
  const of = (config: Config, retention: number): ReturnType<typeof newestPerSeed> => {
    const variant = variants.find((one) => one.config === config);
    const group = variant?.groups.find((one) => one.retention === retention);
    return group === undefined ? [] : newestPerSeed(group);
  };
  const right = (key: string, label: string): Column => ({ key, label, align: 'right' });
  const cell = (config: Config, retention: number): [string, Cell][] => {
    const effect =
      config === base ? undefined : difference(evidence, of(config, retention), of(base, retention), metric);
    return [
      [`at/${retention}`, measurement(of(config, retention), metric) ?? null],
      [
        `gain/${retention}`,
        effect === undefined ? null : { value: effect.value, stderr: effect.stderr, digits: 1 },
      ],
    ];
  };
  const rows = variants
    .map(({ config }) => ({ config, label: change(base, config) }))
    .sort((a, b) => (a.label < b.label ? -1 : 1))
    .map(({ config, label }) => ({
      change: label === '' ? 'as it is' : label,
      ...Object.fromEntries(ratios.flatMap((retention) => cell(config, retention))),
      seeds: { value: Math.max(...ratios.map((retention) => of(config, retention).length)), digits: 0 },
    }));
  return {
    title,
    columns: [
      { key: 'change', label: 'change', align: 'left' },
      ...ratios.flatMap((retention) => [
        right(`at/${retention}`, `at ${percent(retention)}`),
        right(`gain/${retention}`, `difference at ${percent(retention)}`),
      ]),
      right('seeds', 'seeds'),
    ],
    rows,
    notes: [...notes],
  };
}

/** Validation accuracy by step, mean over seeds, for each recipe trained with the most seeds. */
function costCurve(trainings: readonly Training[]): LineChart | undefined {
  const recipes = new Map<string, { config: Config; trainings: Training[] }>();
  for (const training of trainings) {
    const config = training.run.config as Config;
    const key = JSON.stringify([config.model, recipe(config)]);
    const known = recipes.get(key) ?? { config, trainings: [] };
    known.trainings.push(training);
    recipes.set(key, known);
  }
  const seeds = Math.max(0, ...[...recipes.values()].map((one) => one.trainings.length));
  const curves = [...recipes.values()]
    .filter((one) => one.trainings.length === seeds)
    .map(({ config, trainings }) => {
      const bySteps = new Map<number, number[]>();
      for (const { metrics } of trainings)
        for (const { step, name, value } of metrics)
          if (name === 'validation') bySteps.set(step, [...(bySteps.get(step) ?? []), value]);
      return { config, bySteps };
    })
    .filter(({ bySteps }) => bySteps.size > 1);
  if (curves.length === 0) return undefined;
  const base = centre(curves.map(({ config }) => config));
  return {
    kind: 'lines',
    title: 'Validation accuracy against steps of training',
    x: { label: 'steps', scale: 'linear', format: 'number' },
    y: { label: 'accuracy in %' },
    series: curves.map(({ config, bySteps }) => ({
      name: change(base, config) || 'as it is',
      points: [...bySteps]
        .sort(([a], [b]) => a - b)
        .map(([x, values]) => {
          const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
          const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
          return {
            x,
            y: 100 * mean,
            ...(values.length > 1 && {
              stderr: 100 * Math.sqrt(squares / (values.length - 1) / values.length),
            }),
          };
        }),
    })),
    rules: [],
  };
}

export const ablations: Target = {
  name: 'ablations',
  title: 'Ablations beyond the paper',
  summary: 'η, rank, decay, sinks, selection by head, and accuracy against steps',
  reference: 'kvd',
  experiments: [
    'short',
    'ablations',
    'ablations-scores',
    'table5-ae-lm',
    'table5-no-routing',
    'figure4',
    'ablations-long',
    'figure5',
    'ablations-summaries',
  ],
  build: (all) => {
    const domains = [
      { tasks: DOMAINS.SQuAD, metric: 'accuracy', title: 'Short documents: accuracy in %' },
      { tasks: DOMAINS.QuALITY, metric: 'letter_accuracy', title: 'Long documents: letter accuracy in %' },
      { tasks: DOMAINS.SQuALITY, metric: 'rougeL', title: 'Focused summaries: ROUGE-L' },
    ];
    const blocks = domains.flatMap(({ tasks, metric, title }): Block[] => {
      const { evidence, others } = sameQuestions(all, tasks);
      if (variantsOf(evidence).length < 2) return [];
      const notes = [
        'Differences are to the row "as it is", paired by question and by seed; ± one standard error.',
        ...origin(evidence.cells, others),
      ];
      return [{ kind: 'table', table: tableOf(evidence, metric, `${title}, one change at a time`, notes) }];
    });
    if (blocks.length === 0) return undefined;
    const short = new Set(sameQuestions(all, DOMAINS.SQuAD).evidence.cells.map(({ model }) => model));
    const curve = costCurve(
      all.trainings.filter(({ run }) => short.has(String((run.config as Config).model?.name_or_path))),
    );
    if (curve !== undefined) {
      blocks.push({
        kind: 'chart',
        chart: curve,
        notes: [
          'Accuracy on validation questions, of the recipes trained with the most seeds; bands are one standard error over seeds.',
        ],
      });
    }
    return {
      intro: 'kvd with one thing changed at a time: what its choices are worth.',
      claims: [],
      blocks,
    };
  },
};
