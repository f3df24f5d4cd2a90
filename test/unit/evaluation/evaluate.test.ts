import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { take } from '../../../src/base/iterate.js';
import { startEngine } from '../../../src/engine/index.js';
import { choiceLikelihoods } from '../../../src/evaluation/choices.js';
import {
  evaluate,
  evaluateBudgets,
  type EvaluationRequest,
  type SampleResult,
} from '../../../src/evaluation/evaluate.js';
import { inBatches } from '../../../src/evaluation/prepared.js';
import { keptRows } from '../../../src/base/rounding.js';
import { full } from '../../../src/methods/full.js';
import { methods } from '../../../src/methods/index.js';
import { isScoring } from '../../../src/methods/scoring.js';
import { makeBatch } from '../../../src/models/batch.js';
import type { Decoder } from '../../../src/models/decoder.js';
import { greedy } from '../../../src/models/generate.js';
import { tasks } from '../../../src/tasks/index.js';
import type { TaskSample } from '../../../src/tasks/task.js';
import { openSession, type Session } from '../../../src/workflows/session.js';
import { expectClose } from '../../helpers/closeness.js';
import { tinyDecoder } from '../../helpers/tiny.js';

beforeAll(() => startEngine());

const contexts = [
  [1, 5, 9, 13, 17, 21, 25, 29, 33, 37, 6, 7],
  [1, 8, 2, 30, 31, 12, 11],
  [1, 20, 3],
];

function sample(id: string, context: string): TaskSample {
  return { id, context, question: '', answers: ['x'], tags: [] };
}

describe('batches', () => {
  const cut = (contextsOf: string, size: number): string[] =>
    [
      ...inBatches(
        [...contextsOf].map((context, i) => sample(`${i}`, context)),
        size,
      ),
    ].map((batch) => batch.map(({ context }) => context).join(''));

  it('hold samples in order, as many as fit', () => {
    expect(cut('abcdefg', 3)).toEqual(['abc', 'def', 'g']);
    expect(cut('', 3)).toEqual([]);
    expect(cut('abc', 3)).toEqual(['abc']);
  });

  it('do not tear a context apart that fits into one', () => {
    expect(cut('aabbbccd', 4)).toEqual(['aa', 'bbb', 'ccd']);
    expect(cut('abbbb', 4)).toEqual(['a', 'bbbb']);
    expect(cut('aaaaabbc', 2)).toEqual(['aa', 'aa', 'a', 'bb', 'c']);
  });
});

describe('likelihoods of choices', () => {
  const questions = [
    { question: [3, 10, 4], choices: [[7, 8, 9], [22], [5, 6]] },
    { question: [3, 20, 22, 14, 4], choices: [[30], [31, 32]] },
    {
      question: [2],
      choices: [
        [11, 12, 13, 14],
        [11, 12],
      ],
    },
  ];

  /** Every choice in a pass of its own over context, question and choice. */
  function oneByOne(model: Decoder): number[][] {
    return questions.map(({ question, choices }, i) =>
      choices.map((choice) => {
        const ids = [...contexts[i]!, ...question, ...choice];
        const logP = tf.tidy(() =>
          tf.logSoftmax(model.logits(model.forward(makeBatch([ids])).hidden)).arraySync(),
        ) as number[][];
        const start = ids.length - choice.length;
        return choice.reduce((sum, id, t) => sum + logP[start + t - 1]![id]!, 0);
      }),
    );
  }

  it.each(['llama', 'gemma2'])('are those of the whole text on %s, in chunks of any size', (family) => {
    const { model } = tinyDecoder(family);
    const { cache } = full.compress({ model, contexts, kept: [12, 7, 3] }, {});
    const expected = oneByOne(model).flat();
    const before = tf.memory().numTensors;
    for (const chunk of [1, 3, 100]) {
      expectClose(choiceLikelihoods(model, cache, questions, chunk).flat(), expected, 1e-5);
    }
    expect(tf.memory().numTensors).toBe(before);
  });
});

it('goes on without the rows that have ended, and says the same', () => {
  const { model } = tinyDecoder();
  const prompts = [[3, 10, 4], [3, 20, 22, 4], [5], [30, 31], [12, 13]];
  const which = [0, 1, 2, 0, 1];
  const options = { maxNewTokens: 12, eosIds: [] as number[] };
  const one = (row: number, eosIds: number[]): number[] => {
    const { cache } = full.compress({ model, contexts: [contexts[which[row]!]!], kept: [1] }, {});
    return greedy(model, cache, [prompts[row]!], { ...options, eosIds })[0]!;
  };
  const never = prompts.map((_, row) => one(row, []));
  const eosIds = [never[0]![1]!, never[3]![4]!];
  const alone = prompts.map((_, row) => one(row, eosIds));
  expect(new Set(alone.map((ids) => ids.length)).size).toBeGreaterThan(1);
  const request = { model, contexts: which.map((i) => contexts[i]!), kept: which };
  const { cache } = full.compress(request, {});
  const before = tf.memory().numTensors;
  expect(greedy(model, cache, prompts, { ...options, eosIds })).toEqual(alone);
  expect(tf.memory().numTensors).toBe(before);
});

describe('a cell', () => {
  let session: Session;
  beforeAll(async () => {
    session = await openSession('llama-small');
  });
  const task = tasks.get('nano-qa');
  const samples = take(task.samples({}, 'validation'), 14);

  async function run(changes: Partial<EvaluationRequest>, given = samples): Promise<SampleResult[]> {
    const results: SampleResult[] = [];
    const request = {
      ...session,
      task,
      method: methods.get('h2i'),
      methodOptions: {},
      keptRows: (length: number) => keptRows(0.3, length),
      batchSize: 8,
      maxNewTokens: 8,
      ...changes,
    };
    for await (const result of evaluate(request, given)) results.push(result);
    return results;
  }

  it('has the same numbers whatever the batch, in the order of the samples', async () => {
    const together = await run({});
    const alone = await run({ batchSize: 1 });
    expect(together.map(({ sampleId }) => sampleId)).toEqual(samples.map(({ id }) => id));
    together.forEach((result, i) => {
      expect(result.output).toBe(alone[i]!.output);
      expect(Object.keys(result.metrics)).toEqual([
        'accuracy',
        'exact_match',
        'f1',
        'kl',
        'nll',
        'agreement',
      ]);
      expectClose(Object.values(result.metrics), Object.values(alone[i]!.metrics), 1e-4);
    });
  });

  it('of an untouched cache has no divergence, and the likelihoods of one that keeps all rows another way', async () => {
    const whole = await run({ method: full });
    expect(whole.map(({ metrics }) => metrics.kl)).toEqual(samples.map(() => 0));
    const doubted = await run({ method: { ...methods.get('random') }, keptRows: (length) => length });
    whole.forEach(({ metrics, output }, i) => {
      expect(doubted[i]!.output).toBe(output);
      expectClose([doubted[i]!.metrics.nll!], [metrics.nll!], 1e-4);
    });
  });

  const few = samples.slice(0, 4);
  const budgetsOf = (name: string, shares: readonly number[]): EvaluationRequest[] =>
    shares.map((share) => ({
      ...session,
      task,
      method: methods.get(name),
      methodOptions: {},
      keptRows: (length) => keptRows(share, length),
      batchSize: few.length,
      maxNewTokens: 8,
    }));
  const rankingMethods = methods.names().filter((name) => isScoring(methods.get(name)));

  it.each(rankingMethods)(
    'of %s has at each of several budgets the numbers that it has alone',
    async (name) => {
      const untimed = (results: SampleResult[]): unknown => results.map(({ seconds: _, ...rest }) => rest);
      const requests = budgetsOf(name, [0.5, 0.2, 0.05]);
      const alone: unknown[] = [];
      for (const request of requests) alone.push(untimed(await run(request, few)));
      const before = tf.memory().numTensors;
      const together: unknown[] = [];
      for await (const { results } of evaluateBudgets(requests, few)) together.push(untimed(results));
      expect(together).toEqual(alone);
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  it('scores contexts once for all budgets, and counts the time of it for each', async () => {
    const forward = vi.spyOn(session.model, 'forward');
    let clock = 0;
    const now = vi.spyOn(performance, 'now').mockImplementation(() => (clock += 1000));
    const seconds: number[] = [];
    for await (const { results } of evaluateBudgets(budgetsOf('h2i', [0.5, 0.2]), few)) {
      seconds.push(few.length * results[0]!.seconds.compress);
    }
    now.mockRestore();
    const observing = forward.mock.calls.filter(([, options]) => options?.observeAttention !== undefined);
    forward.mockRestore();
    expect(observing).toHaveLength(1);
    // The clock goes on by a second whenever it is read: at the start, around the scoring and at the end; then at both ends.
    expect(seconds).toEqual([3, 1 + 1]);
  });

  it('marks logits in pieces, never all at once, with the numbers of the whole', async () => {
    const { model } = session;
    const { vocabSize } = model.config;
    const whole = await run({}, samples.slice(0, 4));
    const before = model.logitBlock;
    model.logitBlock = 3 * vocabSize;
    const results: SampleResult[] = [];
    const { kernels } = await tf.profile(async () => {
      results.push(...(await run({ maxNewTokens: 1 }, samples.slice(0, 4))));
      return tf.scalar(0);
    });
    model.logitBlock = before;
    const rows = kernels
      .flatMap(({ outputShapes }) => outputShapes as number[][])
      .filter((shape) => shape.length === 2 && shape[1] === vocabSize)
      .map(([count]) => count!);
    // Greedy decoding has a row for each of the four samples.
    expect(Math.max(...rows)).toBe(4);
    for (const name of ['kl', 'nll', 'agreement'])
      expectClose(
        results.map(({ metrics }) => metrics[name]!),
        whole.map(({ metrics }) => metrics[name]!),
        1e-5,
        name,
      );
  });

  it('leaves KL, likelihood and agreement out where only marks are wanted', async () => {
    const [first] = await run({ intrinsic: false }, samples.slice(0, 1));
    expect(Object.keys(first!.metrics)).toEqual(['accuracy', 'exact_match', 'f1']);
  });

  it('marks choices by letter and by likelihood', async () => {
    const asked = samples.slice(0, 6).map((one, i) => {
      const texts = [...one.answers.slice(0, 1), 'mercury', 'amber'];
      return { ...one, answers: [`${texts[0]} A`], choices: { texts, correct: i % 2 } };
    });
    const metrics = ['letter_accuracy', 'choice_accuracy', 'choice_accuracy_norm'] as const;
    const results = await run({ method: full, task: { ...task, metrics } }, asked);
    // The model finds the first choice in the document; the others are mostly not in it.
    expect(results.map(({ metrics: marks }) => marks.choice_accuracy)).toEqual([1, 0, 1, 0, 1, 0]);
    expect(results[0]!.metrics.letter_accuracy).toBe(0);
    await expect(run({ method: full, task: { ...task, metrics } })).rejects.toThrow('choices');
  });
});
