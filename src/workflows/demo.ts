/** `kvd demo`: one question about one shipped document, answered from the whole cache and from a compressed one. */
import { keptRows } from '../base/rounding.js';
import { datasets } from '../data/index.js';
import { evaluate, type SampleResult } from '../evaluation/evaluate.js';
import { parseExperiment } from '../experiment/resolve.js';
import { methods } from '../methods/index.js';
import { tasks } from '../tasks/index.js';
import type { TaskSample } from '../tasks/task.js';
import { disposeAdapters, findAdapters, loadAdapters } from './adapters.js';
import { parseShare } from './compress-plan.js';
import { openSession } from './session.js';

const MODEL = 'llama-long';
const DATASET = 'nano-long';
/** The general adapter's own (experiments/nano/_general.yaml). */
const FOLD_TOKENS = 600;

export interface DemoOptions {
  /** Number of the document in the test split. */
  document: number;
  /** The document's first question unless given. */
  question?: string | undefined;
  /** Share of rows that kvd keeps, as typed. */
  retention: string;
}

export interface Demo {
  document: string;
  question: string;
  references: readonly string[];
  answers: { method: string; output: string; rows: number; bytes: number; seconds: number }[];
}

/** Answers of the uncompressed model and of kvd with the adapter that ships. */
export async function demonstrate(options: DemoOptions): Promise<{ value: Demo; text: string }> {
  const retention = parseShare(options.retention, '--retention');
  const passage = datasets.get(DATASET).open({}, 'test').get(options.document);
  const [first] = passage.questions;
  const sample: TaskSample =
    options.question === undefined
      ? { ...first!, context: passage.context, tags: [] }
      : { id: 'asked', context: passage.context, question: options.question, answers: [], tags: [] };
  const experiment = parseExperiment({ name: 'demo', model: { name_or_path: MODEL } }, 'demo');
  const found = findAdapters(experiment, ['kvd'], undefined);
  const session = await openSession(MODEL);
  const adapters = loadAdapters(found, session.model.config);
  const answer = async (name: string, share: number): Promise<SampleResult> => {
    const adapter = adapters.get(name);
    const request = {
      ...session,
      task: tasks.get('nano-qa'),
      method: methods.get(name),
      methodOptions: {},
      ...(adapter !== undefined && { adapter }),
      keptRows: (length: number) => keptRows(share, length),
      foldTokens: FOLD_TOKENS,
      batchSize: 1,
      maxNewTokens: 48,
      intrinsic: false,
    };
    for await (const result of evaluate(request, [sample])) return result;
    throw new Error('no result for the sample');
  };
  try {
    const results = [
      { label: 'uncompressed', result: await answer('full', 1) },
      { label: `kvd at ${100 * retention} %`, result: await answer('kvd', retention) },
    ];
    const value: Demo = {
      document: passage.context,
      question: sample.question,
      references: sample.answers,
      answers: results.map(({ label, result }) => ({
        method: label,
        output: result.output,
        rows: result.keptTokens,
        bytes: result.bytesAfter,
        seconds: result.seconds.compress + result.seconds.generate,
      })),
    };
    return { value, text: render(passage.id, value) };
  } finally {
    disposeAdapters(found, adapters);
    session.model.dispose();
  }
}

function render(id: string, { document, question, references, answers }: Demo): string {
  return [
    `${id}: ${document.slice(0, 200)} …`,
    '',
    `question   ${question}`,
    ...(references.length === 0 ? [] : [`reference  ${references[0]}`]),
    '',
    ...answers.map(
      ({ method, output, rows, bytes, seconds }) =>
        `${method.padEnd(14)} ${`${rows}`.padStart(5)} rows  ${(bytes / 1e6).toFixed(2).padStart(6)} MB  ${seconds.toFixed(2)} s   ${output}`,
    ),
  ].join('\n');
}
