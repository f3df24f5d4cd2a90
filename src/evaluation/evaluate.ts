/** One cell of a comparison: a method at a budget, on a task's samples. */
import { abandonable } from '../engine/abandon.js';
import { compressInFolds } from '../methods/folding.js';
import type { Compression, Method } from '../methods/method.js';
import { ScoreMemory } from '../methods/score-memory.js';
import type { Adapter } from '../methods/trainable.js';
import { cacheBytes, disposeCache, selectSequences, type KvCache } from '../models/cache.js';
import type { Decoder } from '../models/decoder.js';
import { greedy } from '../models/generate.js';
import type { Tokenizer } from '../models/tokenizer.js';
import type { Task, TaskSample } from '../tasks/task.js';
import { choiceLikelihoods } from './choices.js';
import { likelihoods } from './likelihoods.js';
import { metrics } from './metrics/index.js';
import { distinctContexts, inBatches, prepare, type Prepared } from './prepared.js';

/** What is evaluated: a model, a method and its options, a task, and how much is kept. */
export interface EvaluationRequest {
  model: Decoder;
  tokenizer: Tokenizer;
  task: Task;
  method: Method;
  methodOptions: unknown;
  adapter?: Adapter;
  /** Rows to keep of a context of `length` tokens. */
  keptRows(length: number): number;
  /** Longer contexts are compressed in folds of this many tokens; never where not given. */
  foldTokens?: number;
  /** Samples at once. */
  batchSize: number;
  maxNewTokens: number;
  /** Whether `kl`, `nll` and `agreement` are wanted beside the task's marks; yes unless given. */
  intrinsic?: boolean;
  /** Asked now and then; true ends the evaluation after the last whole batch. */
  stop?(): boolean;
  /** Scores that other budgets share; the seconds that they once took count for each. */
  memory?: ScoreMemory;
}

/** What is known of one sample when it is done. */
export interface SampleResult {
  sampleId: string;
  prompt: string;
  output: string;
  references: readonly string[];
  tags: readonly string[];
  /** Marks of the task and, of the reference answer, `kl` to the uncompressed model and `nll`, nats a token, and `agreement` of the likeliest token. */
  metrics: Record<string, number>;
  contextTokens: number;
  /** The mean over layers and KV heads. */
  keptTokens: number;
  /** Of keys and values of all layers and KV heads, float32; those held, where heads of a layer keep different numbers. */
  bytesBefore: number;
  bytesAfter: number;
  /** Seconds of the batch divided by its samples; scoring that several budgets share counts for each. */
  seconds: { compress: number; generate: number };
}

/** The contexts of the samples numbered `first`, compressed. */
function compress(
  request: EvaluationRequest,
  batch: readonly Prepared[],
  first: readonly number[],
): Compression {
  const chosen = first.map((i) => batch[i]!);
  return compressInFolds(
    request.method,
    {
      model: request.model,
      contexts: chosen.map(({ context }) => context),
      kept: chosen.map(({ context }) => request.keptRows(context.length)),
      ...(request.method.readsQuestion(request.methodOptions) && {
        questions: chosen.map(({ question }) => question),
      }),
      ...(request.adapter !== undefined && { adapter: request.adapter }),
      ...(request.memory !== undefined && { memory: request.memory }),
    },
    request.methodOptions,
    request.foldTokens ?? Infinity,
  );
}

/** Lets signals and timers in; whether the work is to stop. */
async function toStop(request: EvaluationRequest): Promise<boolean> {
  await new Promise(setImmediate);
  return request.stop?.() ?? false;
}

/** What `work` computes; undefined where it was given up. */
function attempt<T>(request: EvaluationRequest, work: () => T): { result: T } | undefined {
  const compute = (): { result: T } => ({ result: work() });
  return request.stop === undefined ? compute() : abandonable(compute);
}

/** A phase that others follow; undefined where it was given up, or the work is to stop behind it. */
async function phase<T>(request: EvaluationRequest, work: () => T): Promise<{ result: T } | undefined> {
  const done = attempt(request, work);
  return (await toStop(request)) ? undefined : done;
}

/** Evaluates samples all at once; undefined where it was stopped half-way. */
export async function evaluateBatch(
  request: EvaluationRequest,
  batch: readonly Prepared[],
): Promise<SampleResult[] | undefined> {
  const owned: KvCache[] = [];
  try {
    return await evaluateOwning(request, batch, owned);
  } finally {
    owned.forEach(disposeCache);
  }
}

/** @param owned takes the caches that whoever calls is to free */
async function evaluateOwning(
  request: EvaluationRequest,
  batch: readonly Prepared[],
  owned: KvCache[],
): Promise<SampleResult[] | undefined> {
  const { model, tokenizer, task, method } = request;
  const { first, of } = distinctContexts(batch, method.readsQuestion(request.methodOptions));
  const started = performance.now();
  const secondsSpared = (): number => request.memory?.secondsSpared ?? 0;
  const spared = secondsSpared();
  const compressed = await phase(request, () => {
    const compression = compress(request, batch, first);
    owned.push(compression.cache);
    compression.cache.keys[0]!.dataSync();
    const seconds = (performance.now() - started) / 1000 + secondsSpared() - spared;
    const cache = selectSequences(compression.cache, of);
    owned.push(cache);
    return { ...compression, cache, seconds };
  });
  if (compressed === undefined) return undefined;
  const { cache } = compressed.result;
  const asked = performance.now();
  const answered = await phase(request, () => {
    if (task.mode === 'continue') return { outputs: batch.map(() => []), seconds: 0 };
    const questions = batch.map(({ question }) => question);
    const eosIds = [tokenizer.eosId, ...model.config.eosTokenIds];
    const outputs = greedy(model, cache, questions, { maxNewTokens: request.maxNewTokens, eosIds });
    return { outputs, seconds: (performance.now() - asked) / 1000 };
  });
  if (answered === undefined) return undefined;
  const wanted = task.mode === 'generate' ? task.metrics : [];
  const choices = await phase(request, () =>
    wanted.some((name) => metrics[name].of === 'choices')
      ? choiceLikelihoods(model, cache, batch, batch.length)
      : undefined,
  );
  if (choices === undefined) return undefined;
  const kept = of.map((context) => compressed.result.kept[context]!);
  const held = of.map((context) => (compressed.result.held ?? compressed.result.kept)[context]!);
  const untouched =
    request.adapter === undefined && batch.every(({ context }, row) => kept[row] === context.length);
  const marked = attempt(request, () =>
    (request.intrinsic ?? true) ? likelihoods(model, cache, batch, untouched) : undefined,
  );
  if (marked === undefined) return undefined;

  const { numLayers, numKvHeads, headDim } = model.config;
  return batch.map(({ sample, context }, row) => {
    const output = tokenizer.decode(answered.result.outputs[row]!).trim();
    const choiceLikelihoods = choices.result?.[row];
    const answer = {
      output,
      references: sample.answers,
      ...(sample.choices && { choices: sample.choices }),
      ...(choiceLikelihoods && { choiceLikelihoods }),
    };
    const marks = Object.fromEntries(wanted.map((name) => [name, metrics[name].mark(answer)]));
    return {
      sampleId: sample.id,
      prompt: sample.question,
      output,
      references: sample.answers,
      tags: sample.tags,
      metrics: { ...marks, ...marked.result?.[row] },
      contextTokens: context.length,
      keptTokens: kept[row]!,
      bytesBefore: cacheBytes(context.length, numLayers, numKvHeads, headDim),
      bytesAfter: cacheBytes(held[row]!, numLayers, numKvHeads, headDim),
      seconds: {
        compress: compressed.result.seconds / batch.length,
        generate: answered.result.seconds / batch.length,
      },
    };
  });
}

function preparedBatch({ task, tokenizer }: EvaluationRequest, batch: readonly TaskSample[]): Prepared[] {
  return batch.map((sample) => prepare(sample, task, tokenizer));
}

/**
 * Evaluates a batch of samples by one request after another: those of one method at several budgets, which share their
 * scores. What is stopped half-way is left out, and ends it.
 */
export async function* evaluateBudgets<Request extends EvaluationRequest>(
  requests: readonly Request[],
  batch: readonly TaskSample[],
): AsyncGenerator<{ request: Request; results: SampleResult[] }> {
  const [first] = requests;
  if (first === undefined) return;
  const prepared = preparedBatch(first, batch);
  const memory = new ScoreMemory();
  try {
    for (const request of requests) {
      const results = await evaluateBatch({ ...request, memory }, prepared);
      if (results === undefined) return;
      yield { request, results };
      if (await toStop(request)) return;
    }
  } finally {
    memory.dispose();
  }
}

/** Evaluates `samples` in batches; results come in the samples' order, as they end. */
export async function* evaluate(
  request: EvaluationRequest,
  samples: Iterable<TaskSample>,
): AsyncGenerator<SampleResult> {
  for (const batch of inBatches(samples, request.batchSize)) {
    const results = await evaluateBatch(request, preparedBatch(request, batch));
    if (results === undefined) return;
    yield* results;
    if (await toStop(request)) return;
  }
}
