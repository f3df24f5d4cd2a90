/** Extractive question answering: models × methods × ratios, each trained baseline at the paper's ratio for it. */
import type { CellSummary } from '../../store/store.js';
import { claim, RULE } from '../verdicts.js';
import type { Claim } from '../document.js';
import { difference, type Effect } from '../effects.js';
import { measurement, origin, percent, pick, retentions, sameQuestions, type Evidence } from '../evidence.js';
import { readPublished } from '../published.js';
import type { Cell, Column, Measurement } from '../table.js';
import { DOMAINS } from './domains.js';
import type { Target } from './section.js';

/** Our name and the paper's. */
const METHODS: readonly [name: string, paper: string][] = [
  ['full', 'base'],
  ['kvd', 'kvd'],
  ['h2a', 'h2a'],
  ['h2i', 'h2i'],
  ['dodo', 'dodo'],
  ['icae', 'icae'],
];

type Lookup = (model: string, method: string, retention: number) => CellSummary[];

/** Mean over models, with its error from the models' own. */
function averageOf(values: readonly (Measurement | undefined)[]): Measurement | undefined {
  const known = values.filter((value) => value !== undefined);
  if (known.length === 0 || known.length < values.length) return undefined;
  return {
    value: known.reduce((sum, { value }) => sum + value, 0) / known.length,
    stderr: Math.hypot(...known.map(({ stderr }) => stderr ?? 0)) / known.length,
    digits: 1,
    sources: known.flatMap(({ sources }) => sources ?? []),
  };
}

function averageEffect(effects: readonly (Effect | undefined)[]): Effect | undefined {
  const known = effects.filter((effect) => effect !== undefined);
  if (known.length === 0 || known.length < effects.length) return undefined;
  return {
    value: known.reduce((sum, { value }) => sum + value, 0) / known.length,
    stderr: Math.hypot(...known.map(({ stderr }) => stderr)) / known.length,
    how: `mean over ${known.length} model${known.length === 1 ? '' : 's'}; ${known[0]!.how}`,
  };
}

function withDelta(given: Measurement | undefined, whole: Measurement | undefined): Cell {
  if (given === undefined) return null;
  return whole === undefined || whole === given ? given : { ...given, delta: given.value - whole.value };
}

function claims(evidence: Evidence, models: readonly string[], cells: Lookup): Claim[] {
  const between = (first: string, second: string, retention: number): Effect | undefined =>
    averageEffect(
      models.map((model) =>
        difference(
          evidence,
          cells(model, first, retention),
          cells(model, second, second === 'full' ? 1 : retention),
          'accuracy',
        ),
      ),
    );
  const low = retentions(evidence.cells, 'kvd').filter((retention) => retention <= 0.2);
  const dodo = models.filter((model) => cells(model, 'dodo', 0.2).length > 0);
  return [
    claim('kvd at 25 % within 2 points of uncompressed', between('kvd', 'full', 0.25), -2),
    claim('kvd at 20 % within 3 points of uncompressed', between('kvd', 'full', 0.2), -3),
    ...low.map((retention) =>
      claim(
        `kvd above h2i at ${percent(retention)} (extractive questions)`,
        between('kvd', 'h2i', retention),
      ),
    ),
    claim('kvd at 20 % above h2i by at least 20 points', between('kvd', 'h2i', 0.2), 20),
    claim('kvd at 20 % above h2a, which looks at the question', between('kvd', 'h2a', 0.2)),
    claim(
      'kvd above DODO at 20 %',
      averageEffect(
        dodo.map((model) =>
          difference(evidence, cells(model, 'kvd', 0.2), cells(model, 'dodo', 0.2), 'accuracy'),
        ),
      ),
    ),
    claim(
      'kvd at 20 % above ICAE at 57 %',
      averageEffect(
        models
          .filter((model) => cells(model, 'icae', 0.57).length > 0)
          .map((model) =>
            difference(evidence, cells(model, 'kvd', 0.2), cells(model, 'icae', 0.57), 'accuracy'),
          ),
      ),
    ),
  ];
}

export const table2: Target = {
  name: 'table2',
  title: 'Table 2: extractive question answering',
  summary: 'accuracy by model, method and retention',
  reference: 'Table 2',
  experiments: ['table2', 'table2-baselines', 'table2-dodo', 'table2-icae'],
  build: (all) => {
    const { evidence, others } = sameQuestions(all, DOMAINS.SQuAD);
    if (evidence.cells.length === 0) return undefined;
    const cells: Lookup = (model, method, retention) => pick(evidence, { model, method, retention });
    const models = [...new Set(evidence.cells.map(({ model }) => model))];
    const published = readPublished().table2_squad.rows;
    const paperModels = [...new Set(published.map(({ model }) => model))];
    const ours = (model: string, method: string, retention: number): Measurement | undefined =>
      measurement(cells(model, method, retention), 'accuracy');
    const overModels = (method: string, retention: number): Measurement | undefined =>
      averageOf(models.map((model) => ours(model, method, retention)));
    const paper = (model: string, method: string, retention: number): Measurement | undefined => {
      const row = published.find(
        (row) => row.model === model && row.method === method && row.retention === retention,
      );
      return row && { value: row.value, stderr: row.stderr, digits: 1 };
    };
    const rows = METHODS.flatMap(([method, theirs]) => {
      const inPaper = published.filter((row) => row.method === theirs).map(({ retention }) => retention);
      return [...new Set([...inPaper, ...retentions(evidence.cells, method)])]
        .sort((a, b) => b - a)
        .map((retention) => ({
          method,
          retention: percent(retention),
          average: withDelta(overModels(method, retention), overModels('full', 1)),
          ...Object.fromEntries(
            models.map((model) => [
              `ours/${model}`,
              withDelta(
                ours(model, method, retention),
                method === 'full' ? undefined : ours(model, 'full', 1),
              ),
            ]),
          ),
          ...Object.fromEntries(
            paperModels.map((model) => [
              `paper/${model}`,
              withDelta(
                paper(model, theirs, retention),
                method === 'full' ? undefined : paper(model, 'base', 1),
              ),
            ]),
          ),
        }));
    });
    const right = (key: string, label: string): Column => ({ key, label, align: 'right' });
    return {
      intro: 'A short document, a question whose answer stands in it.',
      claims: claims(evidence, models, cells),
      blocks: [
        {
          kind: 'table',
          table: {
            title: 'Accuracy in %',
            columns: [
              { key: 'method', label: 'method', align: 'left' },
              right('retention', 'retention'),
              ...models.map((model) => right(`ours/${model}`, `ours: ${model}`)),
              ...(models.length > 1 ? [right('average', 'ours, average')] : []),
              ...paperModels.map((model) => right(`paper/${model}`, `paper: ${model}`)),
            ],
            rows,
            notes: [
              'Columns "paper" are the published numbers of arXiv 2503.10337 on SQuAD with other, far larger models: compare the shape, not the values.',
              "± one standard error (in averages the models' errors are taken as independent); in parentheses the difference to uncompressed, in points. h2a looks at the question before compressing; the others do not.",
              'dodo and icae are trained with their own objective (AE + LM) and as many steps, documents and the same learning rate as kvd; nothing was tuned for them.',
              ...origin(evidence.cells, others),
              RULE,
            ],
          },
        },
      ],
    };
  },
};
