/** The leaderboard: every method on every task, at every ratio. */
import type { CellSummary } from '../../store/store.js';
import { methodLabel, type NamedOptions } from '../method-label.js';
import type { Block } from '../document.js';
import { measurement, origin, percent, retentions, sourcesOf, type Evidence } from '../evidence.js';
import { average, groupCells, newestPerSeed } from '../groups.js';
import type { Cell, Column, Measurement, Table } from '../table.js';
import type { Target } from './section.js';

/** A task's own mark is the first of these that it has. */
const HEADLINES = ['accuracy', 'letter_accuracy', 'rougeL'] as const;

/** Differences of less than so many of their own standard errors are ties. */
const TIE = 1.96;

/** One method under one set of options, in all its cells. */
interface Contender {
  label: string;
  questionAware: boolean;
  cells: CellSummary[];
}

type Mark = { value: number; stderr: number };

function headline(cell: CellSummary): string | undefined {
  return HEADLINES.find((name) => name in cell.metrics);
}

/** The mean of several tasks' marks, whose samples are others' and whose errors therefore add up. */
function mean(marks: readonly Mark[]): Mark {
  const count = marks.length;
  return {
    value: marks.reduce((sum, { value }) => sum + value, 0) / count,
    stderr: Math.sqrt(marks.reduce((sum, { stderr }) => sum + stderr ** 2, 0)) / count,
  };
}

function contenders(evidence: Evidence): Contender[] {
  const found = new Map<string, Contender>();
  for (const group of groupCells(evidence.cells)) {
    const { label, questionAware } = methodLabel(group.method, group.variant.options as NamedOptions);
    const known = found.get(label) ?? { label, questionAware, cells: [] };
    known.cells.push(...newestPerSeed(group));
    found.set(label, known);
  }
  return [...found.values()];
}

/** The newest cell of a contender on a task at a ratio. */
function cellAt({ cells }: Contender, task: string, retention: number): CellSummary | undefined {
  return cells.filter((cell) => cell.task === task && cell.retention === retention).at(-1);
}

function markAt(contender: Contender, task: string, retention: number): Measurement | undefined {
  const cell = cellAt(contender, task, retention);
  const metric = cell && headline(cell);
  return metric === undefined ? undefined : measurement([cell!], metric);
}

/** Mean over tasks; undefined where one is missing. */
function overTasks(
  contender: Contender,
  tasks: readonly string[],
  retention: number,
): Measurement | undefined {
  const marks = tasks.map((task) => markAt(contender, task, retention));
  if (!marks.every((mark) => mark !== undefined)) return undefined;
  const whole = mean(marks.map(({ value, stderr }) => ({ value, stderr: stderr ?? 0 })));
  return { ...whole, digits: 1, sources: marks.flatMap(({ sources }) => sources ?? []) };
}

/** 1 + how many are better by more than the error of the difference. */
export function ranks(marks: readonly (Mark | undefined)[]): (number | undefined)[] {
  return marks.map((own) => {
    if (own === undefined) return undefined;
    const better = marks.filter(
      (other) => other !== undefined && other.value - own.value > TIE * Math.hypot(other.stderr, own.stderr),
    );
    return 1 + better.length;
  });
}

function right(key: string, label: string): Column {
  return { key, label, align: 'right' };
}

/** Rows from the best overall mean on, with their ranks at one ratio each and over all of them. */
function leaderboard(
  title: string,
  all: readonly Contender[],
  tasks: readonly string[],
  ratios: readonly number[],
  detail: number,
): Table {
  const marks = all.map((one) => ratios.map((ratio) => overTasks(one, tasks, ratio)));
  const overall = marks.map((own) => {
    const measured = own.filter((mark) => mark !== undefined);
    if (measured.length < ratios.length) return undefined;
    // The same questions at every ratio: errors do not average out.
    return {
      value: mean(measured.map(({ value }) => ({ value, stderr: 0 }))).value,
      stderr: measured.reduce((sum, { stderr }) => sum + (stderr ?? 0), 0) / measured.length,
    };
  });
  const places = ranks(overall);
  const order = [...all.keys()].sort(
    (a, b) => (overall[b]?.value ?? -Infinity) - (overall[a]?.value ?? -Infinity),
  );
  return {
    title,
    columns: [
      right('rank', 'rank'),
      { key: 'method', label: 'method', align: 'left' },
      right('overall', 'mean'),
      ...ratios.map((ratio) => right(percent(ratio), percent(ratio))),
      right('kept', `rows kept at ${percent(detail)}`),
      right('bytes', `bytes held at ${percent(detail)}`),
      right('compress', 'compress ms'),
    ],
    rows: order.map((i) => {
      const contender = all[i]!;
      const cells = tasks.flatMap((task) => cellAt(contender, task, detail) ?? []);
      const averaged = (digits: number, pick: (cell: CellSummary) => number): Cell =>
        cells.length === 0 ? null : { value: average(cells, pick), digits, sources: sourcesOf(cells) };
      const tied = places.filter((place) => place === places[i]).length > 1;
      return {
        rank: places[i] === undefined ? null : `${places[i]}${tied ? ' =' : ''}`,
        method: contender.label,
        overall: overall[i] === undefined ? null : { ...overall[i], digits: 1 },
        ...Object.fromEntries(ratios.map((ratio, r) => [percent(ratio), marks[i]![r] ?? null])),
        kept: averaged(1, (cell) => cell.keptTokens),
        bytes: averaged(0, (cell) => cell.bytesAfter),
        compress: averaged(1, (cell) => 1000 * cell.compressSeconds),
      };
    }),
    notes: [
      `Mean over ${tasks.join(', ')} of each task's own mark (accuracy, letter accuracy or ROUGE-L), in points of a hundred, ± one standard error.`,
      `Rank: 1 and one for each method that is better over all ratios by more than ${TIE} errors of the difference, samples taken as independent; = where several share it. Error of the mean over ratios: that of the ratios' mean error, since all are asked the same.`,
      'Bytes are those held: where heads of a layer keep different numbers of rows, memory for the longest. Milliseconds a question; a question-independent method compresses a context once for all of its questions.',
    ],
  };
}

function byTask(task: string, all: readonly Contender[], ratios: readonly number[]): Table {
  const cells = all.flatMap(({ cells }) => cells.filter((cell) => cell.task === task));
  return {
    title: task,
    columns: [
      { key: 'method', label: 'method', align: 'left' },
      { key: 'sees', label: 'question', align: 'left' },
      ...ratios.map((ratio) => right(percent(ratio), percent(ratio))),
    ],
    rows: all.map((contender) => ({
      method: contender.label,
      sees: contender.questionAware ? 'seen' : 'not seen',
      ...Object.fromEntries(ratios.map((ratio) => [percent(ratio), markAt(contender, task, ratio) ?? null])),
    })),
    notes: origin(cells),
  };
}

/** What the uncompressed model and the model without a context give, over all tasks. */
function bounds(fixed: readonly Contender[], tasks: readonly string[]): string {
  return fixed
    .flatMap(({ label, cells }) => {
      const marks = tasks.flatMap((task) => {
        const cell = cells.filter((one) => one.task === task).at(-1);
        const metric = cell && headline(cell);
        return metric === undefined ? [] : [measurement([cell!], metric)!];
      });
      if (marks.length < tasks.length) return [];
      const { value, stderr } = mean(marks.map((mark) => ({ value: mark.value, stderr: mark.stderr ?? 0 })));
      return [`${label}: ${value.toFixed(1)} ± ${stderr.toFixed(1)}`];
    })
    .join('; ');
}

/** Methods of one size whatever is asked: they bound the others. */
const BOUNDS = new Set(['full', 'none']);

export const methods: Target = {
  name: 'methods',
  title: 'Leaderboard of methods',
  summary: 'every method on every task at every ratio: marks, bytes, seconds, ranks with ties',
  reference: 'kvd; methods as in kvpress',
  experiments: ['methods', 'methods-kvd'],
  build: (evidence) => {
    const own = evidence.cells.filter(({ runName }) => /^methods(-|$)/.test(runName));
    const found = contenders({ ...evidence, cells: own });
    const compared = found.filter(({ label }) => !BOUNDS.has(label));
    if (compared.length === 0) return undefined;
    const tasks = [...new Set(own.map(({ task }) => task))];
    const ratios = retentions(compared.flatMap(({ cells }) => cells));
    const detail = ratios.includes(0.1) ? 0.1 : ratios[Math.floor(ratios.length / 2)]!;
    const board = (title: string, aware: boolean): Block[] => {
      const chosen = compared.filter(({ questionAware }) => questionAware === aware);
      if (chosen.length === 0) return [];
      return [{ kind: 'table', table: leaderboard(title, chosen, tasks, ratios, detail) }];
    };
    const limits = bounds(
      found.filter(({ label }) => BOUNDS.has(label)),
      tasks,
    );
    return {
      intro:
        'All methods on the same questions. Question-independent ones compress a context once, for whatever is asked; question-aware ones see the question first, so that the two are not comparable.',
      claims: [],
      blocks: [
        ...(limits === '' ? [] : [{ kind: 'text' as const, text: `Mean over all tasks, ${limits}.` }]),
        ...board('Question-independent', false),
        ...board('Question-aware', true),
        ...tasks.map((task): Block => ({ kind: 'table', table: byTask(task, compared, ratios) })),
      ],
    };
  },
};
