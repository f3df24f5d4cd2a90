/** What evaluating a batch takes, found by evaluating it without numbers. */
import { withShapes, type Work } from '../engine/shapes.js';
import type { Method } from '../methods/method.js';
import { ScoreMemory } from '../methods/score-memory.js';
import { disposeAdapter } from '../methods/trainable.js';
import { cacheBytes } from '../models/cache.js';
import type { ModelConfig } from '../models/config.js';
import { randomDecoder } from '../models/random-decoder.js';
import type { Tokenizer } from '../models/tokenizer.js';
import type { Task } from '../tasks/task.js';
import { evaluateBatch } from './evaluate.js';
import { metrics } from './metrics/index.js';
import { distinctContexts, type BatchSize, type Prepared } from './prepared.js';

export interface CellRequest {
  config: ModelConfig;
  method: Method;
  methodOptions: Record<string, unknown>;
  task: Task;
  /** Tokens of each context. */
  context: number;
  keptRows(length: number): number;
  foldTokens: number | undefined;
  batch: BatchSize;
  maxNewTokens: number;
  intrinsic: boolean;
}

export interface CellCost {
  /** Bytes: of the model and the method's adapter, and the most that a batch needs beside them. */
  memory: { weights: number; adapter: number; activations: number };
  /** Bytes of keys and values of a batch's contexts, before and after; each context once, where it is compressed once. */
  cache: { whole: number; kept: number };
  /** With one new token a sample, and with `FURTHER` more. */
  work: [one: Work[], more: Work[]];
}

const QUESTION = 32;
/** Of a reference answer at least; at most it is as long as the task's longest answer. */
const REFERENCE = 32;
/** New tokens in which a batch's two amounts of work differ. */
export const FURTHER = 4;

/** Writes nothing and never ends. */
const mute: Tokenizer = {
  encode: () => [],
  decode: () => '',
  tokenToId: () => undefined,
  vocabSize: 1,
  bosId: 0,
  eosId: -1,
  padId: 0,
  prefixIds: [],
  promptTemplate: { head: '', question: '', answer: '', end: '', whole: false },
  hash: '',
};

function samplesOf({ task, context, batch: { samples, contexts } }: CellRequest): Prepared[] {
  const ids = (length: number): number[] => Array<number>(length).fill(0);
  const chosen = task.metrics.some((name) => metrics[name].of === 'choices');
  return Array.from({ length: samples }, (_, i) => ({
    sample: {
      id: `${i}`,
      context: `${i % contexts}`,
      question: '',
      answers: [''],
      tags: [],
      ...(chosen && { choices: { texts: ['', '', '', ''], correct: 0 } }),
    },
    context: ids(context),
    question: ids(QUESTION),
    reference: ids(Math.max(REFERENCE, task.maxNewTokens)),
    choices: chosen ? [1, 2, 3, 4].map(() => ids(REFERENCE)) : [],
  }));
}

/**
 * Cost of one batch of a cell.
 * @param fused whether the engine has our own kernels
 */
export function cellCost(request: CellRequest, fused: boolean): Promise<CellCost> {
  const { config, method, context, maxNewTokens } = request;
  const batch = samplesOf(request);
  return withShapes(fused, async (backend) => {
    const start = backend.live;
    const model = randomDecoder({ ...config, eosTokenIds: [] }, 1);
    const weights = backend.live - start;
    const adapter = method.trainable?.fresh(config, request.methodOptions, 1);
    const held = backend.live;
    backend.peak = held;
    const run = async (tokens: number): Promise<Work[]> => {
      backend.work = [];
      const { foldTokens, batch: _, ...rest } = request;
      const memory = new ScoreMemory();
      await evaluateBatch(
        {
          ...rest,
          model,
          tokenizer: mute,
          batchSize: batch.length,
          ...(adapter !== undefined && { adapter }),
          ...(foldTokens !== undefined && { foldTokens }),
          maxNewTokens: tokens,
          memory,
        },
        batch,
      );
      memory.dispose();
      return backend.work;
    };
    // The first batch has the model's matrices packed, which later ones find.
    await run(1);
    const work: CellCost['work'] = [await run(1), await run(1 + FURTHER)];
    const activations = backend.peak - held;
    if (adapter !== undefined) disposeAdapter(method.trainable!, adapter);
    model.dispose();
    const { numLayers, numKvHeads, headDim } = config;
    const bytes = (rows: number): number => cacheBytes(rows, numLayers, numKvHeads, headDim);
    const contexts = distinctContexts(batch, method.readsQuestion(request.methodOptions)).first.length;
    return {
      // A cache grows with every token, and is there twice while it does.
      memory: {
        weights,
        adapter: held - start - weights,
        activations: activations + 2 * batch.length * bytes(maxNewTokens),
      },
      cache: { whole: contexts * bytes(context), kept: contexts * bytes(request.keptRows(context)) },
      work,
    };
  });
}
