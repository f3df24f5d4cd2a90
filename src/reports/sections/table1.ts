/** Lengths of the contexts. */
import type { CellSummary } from '../../store/store.js';
import { origin, pick, sameQuestions, sourcesOf, type Evidence } from '../evidence.js';
import { readPublished } from '../published.js';
import type { Cell, Measurement } from '../table.js';
import { DOMAINS } from './domains.js';
import type { Target } from './section.js';

function tokens(value: number, digits = 0): Measurement {
  return { value, digits };
}

/** Most context tokens of any sample. */
function longest(evidence: Evidence, cells: readonly CellSummary[]): number {
  return Math.max(
    ...cells.flatMap((cell) =>
      [...evidence.samples(cell).values()].map(({ contextTokens }) => contextTokens),
    ),
  );
}

export const table1: Target = {
  name: 'table1',
  title: 'Table 1: lengths of contexts',
  summary: 'average and greatest context length of each task',
  reference: 'Table 1',
  experiments: ['table1'],
  build: (all) => {
    const { rows } = readPublished().table1_lengths;
    const used: CellSummary[] = [];
    const ours = (dataset: string): Record<string, Cell> => {
      const tasks = DOMAINS[dataset as keyof typeof DOMAINS];
      const { evidence } = sameQuestions(all, tasks);
      const cells = pick(evidence, { method: 'full' });
      const [cell] = cells;
      if (cell === undefined) return { task: tasks[0], average: null, max: null };
      used.push(cell);
      const sources = sourcesOf(cells);
      return {
        task: cell.task,
        average: { ...tokens(cell.contextTokens), sources },
        max: { ...tokens(longest(evidence, cells)), sources },
      };
    };
    const measured = rows.map((row) => ({
      dataset: row.dataset,
      'paper/average': tokens(row.average),
      'paper/max': tokens(row.max),
      ...ours(row.dataset),
    }));
    if (used.length === 0) return undefined;
    return {
      intro: 'How long the contexts are, in tokens of the model that reads them.',
      claims: [],
      blocks: [
        {
          kind: 'table',
          table: {
            title: 'Context tokens',
            columns: [
              { key: 'task', label: 'our task', align: 'left' },
              { key: 'average', label: 'ours: average', align: 'right' },
              { key: 'max', label: 'ours: greatest', align: 'right' },
              { key: 'dataset', label: "the paper's dataset", align: 'left' },
              { key: 'paper/average', label: 'paper: average', align: 'right' },
              { key: 'paper/max', label: 'paper: greatest', align: 'right' },
            ],
            rows: measured,
            notes: [
              "Ours in tokens of the model's own tokenizer, a word or a mark each at nano scale; the paper's in tokens of Llama-3.",
              ...origin(used),
            ],
          },
        },
      ],
    };
  },
};
