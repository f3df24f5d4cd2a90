/** Ablations of the paper: the weight λ, AE + LM instead of KL, no routing. */
import type { CellSummary } from '../../store/store.js';
import { difference } from '../effects.js';
import { measurement, origin, percent, pick, retentions, sameQuestions, type Config } from '../evidence.js';
import { readPublished } from '../published.js';
import type { Cell, Column } from '../table.js';
import { claim, RULE } from '../verdicts.js';
import { DOMAINS } from './domains.js';
import type { Target } from './section.js';

const BASE = 'lambda=0.6';
const AE_LM = 'AE+LM';
const NO_ROUTING = 'no routing';

/** The paper's name of the row that a configuration belongs to. */
function rowOf({ training, method }: Config): string {
  if (method?.routing === 'embedding') return NO_ROUTING;
  if (training?.objective === 'ae_lm') return AE_LM;
  return `lambda=${String(training?.kl_forward_weight)}`;
}

export const table5: Target = {
  name: 'table5',
  title: 'Table 5: what the objective and routing bring',
  summary: 'λ, AE + LM and no routing, each with several seeds',
  reference: 'Table 5',
  experiments: ['short', 'table5-lambda', 'table5-ae-lm', 'table5-no-routing'],
  build: (all) => {
    const { evidence, others } = sameQuestions(all, DOMAINS.SQuAD);
    const ratios = retentions(evidence.cells, 'kvd');
    if (ratios.length === 0) return undefined;
    const published = readPublished().table5_ablation;
    const cells = (row: string, retention: number): CellSummary[] =>
      pick(evidence, { method: 'kvd', retention, where: (config) => rowOf(config) === row });
    const paper = new Map(published.rows.map(({ loss, value }) => [loss, value]));
    const gain = (row: string, retention: number): Cell => {
      if (row === BASE) return null;
      const effect = difference(evidence, cells(row, retention), cells(BASE, retention), 'accuracy');
      return effect === undefined ? null : { value: effect.value, stderr: effect.stderr, digits: 1 };
    };
    const right = (key: string, label: string): Column => ({ key, label, align: 'right' });
    const against = (row: string, what: string): ReturnType<typeof claim>[] =>
      ratios.map((retention) =>
        claim(
          `${what} at ${percent(retention)}`,
          difference(evidence, cells(BASE, retention), cells(row, retention), 'accuracy'),
        ),
      );
    return {
      intro:
        'The same training with one thing changed; accuracy on extractive questions, mean over seeds. Differences are to λ = 0.6.',
      claims: [
        ...against('lambda=1', 'λ = 0.6 above λ = 1'),
        ...against('lambda=0', 'λ = 0.6 above λ = 0'),
        ...against(AE_LM, 'λ = 0.6 above AE + LM'),
        ...against(NO_ROUTING, 'routing above no routing'),
      ],
      blocks: [
        {
          kind: 'table',
          table: {
            title: 'Accuracy in %',
            columns: [
              { key: 'row', label: 'objective', align: 'left' },
              ...ratios.flatMap((retention) => [
                right(`at/${retention}`, `ours at ${percent(retention)}`),
                right(`gain/${retention}`, `difference at ${percent(retention)}`),
              ]),
              right('seeds', 'seeds'),
              right('paper', `paper at ${percent(published.retention)}`),
              right('paper/gain', 'paper: difference'),
            ],
            rows: [...paper].map(([row, value]) => ({
              row,
              ...Object.fromEntries(
                ratios.flatMap((retention) => [
                  [`at/${retention}`, measurement(cells(row, retention), 'accuracy') ?? null],
                  [`gain/${retention}`, gain(row, retention)],
                ]),
              ),
              seeds: { value: cells(row, ratios[0]!).length, digits: 0 },
              paper: { value, digits: 1 },
              'paper/gain': row === BASE ? null : { value: value - paper.get(BASE)!, digits: 1 },
            })),
            notes: [
              'Accuracies: ± one standard error over questions, or over seeds where larger. Differences: paired by question and by seed, ± √(variance over questions + variance over seeds).',
              `The paper's are of ${published.model} on SQuAD.`,
              ...origin(evidence.cells, others),
              RULE,
            ],
          },
        },
      ],
    };
  },
};
