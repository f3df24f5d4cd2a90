/** Hyperparameters, ours beside the paper's. */
import type { Config } from '../evidence.js';
import { readPublished } from '../published.js';
import type { Cell, Column } from '../table.js';
import type { Target } from './section.js';

type Read = (config: Config) => unknown;

/** Name, our value in a resolved configuration, and the paper's key for it. */
const ROWS: readonly [name: string, ours: Read, paper?: string][] = [
  ['model', ({ model }) => model?.name_or_path],
  ['training data', ({ data }) => data?.name],
  ['optimizer', () => 'AdamW', 'optimizer'],
  ['learning rate', ({ training }) => training?.learning_rate, 'learning_rate'],
  [
    'batch size',
    ({ training }) => Number(training?.micro_batch_size) * Number(training?.gradient_accumulation_steps),
    'batch_size',
  ],
  ['steps', ({ training }) => training?.max_steps],
  ['LoRA rank r', ({ method }) => method?.lora_r, 'lora_rank'],
  ['LoRA α', ({ method }) => method?.lora_alpha],
  ['λ', ({ training }) => training?.kl_forward_weight, 'lambda'],
  ['η', ({ method }) => method?.eta, 'eta'],
  ['sinks', ({ method }) => method?.n_sink],
  ['least retention', ({ training }) => training?.retention_min],
  ['greatest retention', ({ training }) => training?.retention_max],
  ['fold tokens', ({ training }) => training?.fold_tokens],
];
/** Stated in the paper's text, outside its table 4. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'training data': 'Self-Instruct, P3, LongAlpaca, Super-NaturalInstructions',
  sinks: 'fewer than 10',
  'least retention': '0.001',
  'greatest retention': '0.8',
  'fold tokens': '1536',
};

function text(value: unknown): Cell {
  if (value === undefined || value === null) return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Name of the experiment, without what tells a sweep's experiments apart. */
function nameOf(config: Config): string {
  return (config.name as unknown as string).replace(/-[0-9a-f]{6}$/, '');
}

export const table4: Target = {
  name: 'table4',
  title: 'Table 4: hyperparameters',
  summary: 'how adapters are trained',
  reference: 'Table 4',
  experiments: ['figure4', 'table2', 'short'],
  configurationOnly: true,
  build: ({ configurations }) => {
    const trained = configurations.filter(({ training }) => training !== undefined);
    const columns = new Map<string, Config>();
    for (const config of trained) {
      const values = ROWS.map(([, ours]) => ours(config));
      const key = JSON.stringify(values);
      if (!columns.has(key)) columns.set(key, config);
    }
    if (columns.size === 0) return undefined;
    const published = readPublished().table4_hyperparameters;
    const ours = [...columns.values()].map((config, i): [Column, Config] => [
      { key: `ours/${i}`, label: `ours: ${nameOf(config)}`, align: 'right' },
      config,
    ]);
    return {
      intro: 'How adapters are trained: ours as configured, one column for each setting that differs.',
      claims: [],
      blocks: [
        {
          kind: 'table',
          table: {
            title: 'Hyperparameters',
            columns: [
              { key: 'name', label: 'hyperparameter', align: 'left' },
              ...ours.map(([column]) => column),
              { key: 'paper', label: 'paper', align: 'right' },
            ],
            rows: ROWS.map(([name, read, paper]) => ({
              name,
              ...Object.fromEntries(ours.map(([{ key }, config]) => [key, text(read(config))])),
              paper: text(paper === undefined ? ELSEWHERE[name] : published[paper]),
            })),
            notes: ["The paper's models are a thousand times larger, and are trained on other data."],
          },
        },
      ],
    };
  },
};
