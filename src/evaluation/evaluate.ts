/** One cell of a comparison: a method at a budget, on a task's samples. */
import * as tf from '@tensorflow/tfjs-core';
import { compressInFolds } from '../methods/folding.js';
import type { Compression, Method } from '../methods/method.js';
import type { Adapter } from '../methods/trainable.js';
import { makeBatch } from '../models/batch.js';
import { cacheBytes, disposeCache, selectSequences, type KvCache } from '../models/cache.js';
import type { Decoder } from '../models/decoder.js';
import { greedy } from '../models/generate.js';
import type { Tokenizer } from '../models/tokenizer.js';
import { answerIds, contextIds, questionIds } from '../models/prompt.js';
import type { Task, TaskSample } from '../tasks/task.js';
import { metrics } from './metrics/index.js';

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
  batchSize: number;
  maxNewTokens: number;
}

/** What is known of one sample when it is done. */
export interface SampleResult {
  sampleId: string;
  prompt: string;
  output: string;
  references: readonly string[];
  tags: readonly string[];
  /** Marks of the task, and of the reference answer: `kl` to the uncompressed model and `nll`, nats a token, and `agreement` of the likeliest token. */
  metrics: Record<string, number>;
  contextTokens: number;
  keptTokens: number;
  /** Of keys and values of all layers and KV heads, float32. */
  bytesBefore: number;
  bytesAfter: number;
  /** Seconds of the batch divided by its samples. */
  seconds: { compress: number; generate: number };
}

interface Prepared {
  sample: TaskSample;
  context: number[];
  question: number[];
  reference: number[];
}

function prepare(sample: TaskSample, task: Task, tokenizer: Tokenizer): Prepared {
  const context = contextIds(tokenizer, sample.context);
  const answer = sample.answers[0] ?? '';
  if (task.mode === 'generate') {
    return {
      sample,
      context,
      question: questionIds(tokenizer, sample.question),
      reference: answerIds(tokenizer, answer),
    };
  }
  const [first, ...rest] = tokenizer.encode(answer);
  return { sample, context, question: [first!], reference: rest };
}

/** Contexts of a batch, each once unless the method looks at the question. */
function distinctContexts(
  batch: readonly Prepared[],
  questionAware: boolean,
): { first: number[]; of: number[] } {
  const first: number[] = [];
  const seen = new Map<string, number>();
  const of = batch.map((item, i) => {
    const key = questionAware ? `${i}` : item.sample.context;
    let place = seen.get(key);
    if (place === undefined) {
      place = first.push(i) - 1;
      seen.set(key, place);
    }
    return place;
  });
  return { first, of };
}

/** Logits of the reference's tokens, given what `cache` holds: [reference tokens of all rows, vocabulary]. */
function referenceLogits(model: Decoder, cache: KvCache, batch: readonly Prepared[]): tf.Tensor2D {
  const whole = makeBatch(
    batch.map(({ question, reference }) => [...question, ...reference]),
    { starts: cache.nextPositions },
  );
  const rows = batch.flatMap(({ question, reference }, row) =>
    reference.map((_, i) => row * whole.tokens + question.length + i - 1),
  );
  const { hidden } = model.forward(whole, { past: cache });
  return model.logits(tf.gather(hidden, tf.tensor1d(rows, 'int32')));
}

/** KL to the uncompressed model, negative log-likelihood and top-1 agreement on each row's reference. */
function likelihoods(
  model: Decoder,
  compressed: KvCache,
  batch: readonly Prepared[],
): Record<'kl' | 'nll' | 'agreement', number>[] {
  const [kl, nll, agreement] = tf.tidy(() => {
    const plain = model.forward(makeBatch(batch.map(({ context }) => context)), { cacheOnly: true });
    const logP = tf.logSoftmax(referenceLogits(model, plain.cache, batch));
    const logQ = tf.logSoftmax(referenceLogits(model, compressed, batch));
    const labels = tf.tensor1d(
      batch.flatMap(({ reference }) => reference),
      'int32',
    );
    const picked = tf.mul(logQ, tf.oneHot(labels, logQ.shape[1]!));
    return [
      tf.sum(tf.mul(tf.exp(logP), tf.sub(logP, logQ)), 1).dataSync(),
      tf.neg(tf.sum(picked, 1)).dataSync(),
      tf.equal(tf.argMax(logP, 1), tf.argMax(logQ, 1)).dataSync(),
    ] as unknown as tf.Tensor[];
  }) as unknown as [Float32Array, Float32Array, Uint8Array];
  let at = 0;
  return batch.map(({ reference }) => {
    const range = [at, (at += reference.length)] as const;
    const mean = (values: ArrayLike<number>): number => {
      let sum = 0;
      for (let i = range[0]; i < range[1]; i++) sum += values[i]!;
      return sum / reference.length;
    };
    return { kl: mean(kl), nll: mean(nll), agreement: mean(agreement) };
  });
}

/** Rows of one layer and KV head that attention can still see, per sequence. */
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
      ...(request.method.needs.question && { questions: chosen.map(({ question }) => question) }),
      ...(request.adapter !== undefined && { adapter: request.adapter }),
    },
    request.methodOptions,
    request.foldTokens ?? Infinity,
  );
}

function evaluateBatch(request: EvaluationRequest, batch: readonly Prepared[]): SampleResult[] {
  const { model, tokenizer, task, method } = request;
  const { first, of } = distinctContexts(batch, method.needs.question);
  const started = performance.now();
  const compression = compress(request, batch, first);
  compression.cache.keys[0]!.dataSync();
  const compressed = performance.now();
  const cache = selectSequences(compression.cache, of);
  const outputs =
    task.mode === 'continue'
      ? batch.map(() => [])
      : greedy(
          model,
          cache,
          batch.map(({ question }) => question),
          {
            maxNewTokens: request.maxNewTokens,
            eosIds: [tokenizer.eosId, ...model.config.eosTokenIds],
          },
        );
  const generated = performance.now();
  const given = likelihoods(model, cache, batch);
  disposeCache(cache);
  disposeCache(compression.cache);

  const { numLayers, numKvHeads, headDim } = model.config;
  return batch.map(({ sample, context }, row) => {
    const output = tokenizer.decode(outputs[row]!).trim();
    const marks = Object.fromEntries(
      (task.mode === 'generate' ? task.metrics : []).map((name) => [
        name,
        metrics[name](output, sample.answers),
      ]),
    );
    const kept = compression.kept[of[row]!]!;
    return {
      sampleId: sample.id,
      prompt: sample.question,
      output,
      references: sample.answers,
      tags: sample.tags,
      metrics: { ...marks, ...given[row]! },
      contextTokens: context.length,
      keptTokens: kept,
      bytesBefore: cacheBytes(context.length, numLayers, numKvHeads, headDim),
      bytesAfter: cacheBytes(kept, numLayers, numKvHeads, headDim),
      seconds: {
        compress: (compressed - started) / 1000 / batch.length,
        generate: (generated - compressed) / 1000 / batch.length,
      },
    };
  });
}

/** Evaluates `samples` in batches; results come in the samples' order, as they end. */
export async function* evaluate(
  request: EvaluationRequest,
  samples: Iterable<TaskSample>,
): AsyncGenerator<SampleResult> {
  let batch: Prepared[] = [];
  for (const sample of samples) {
    batch.push(prepare(sample, request.task, request.tokenizer));
    if (batch.length < request.batchSize) continue;
    yield* evaluateBatch(request, batch);
    batch = [];
    await new Promise(setImmediate);
  }
  if (batch.length > 0) yield* evaluateBatch(request, batch);
}
