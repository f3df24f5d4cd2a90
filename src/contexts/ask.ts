/** Questions answered from a compressed context, or from the whole one. */
import * as tf from '@tensorflow/tfjs-core';
import { makeBatch } from '../models/batch.js';
import { disposeCache, selectSequences, type KvCache } from '../models/cache.js';
import { greedySteps } from '../models/generate.js';
import { questionIds } from '../models/prompt.js';
import { TextStream, TrimmedStream } from '../models/text-stream.js';
import type { ContextModel } from './model.js';

export interface AskOptions {
  /** Most tokens of an answer, or of each question's. */
  maxNewTokens: number | readonly number[];
}

/** What a question's answer has grown by, or its end. */
export interface AnswerPiece {
  /** Number of the question. */
  question: number;
  text: string;
  /** Tokens generated so far. */
  tokens: number;
  /** Present in the last piece: the model ended the answer, or it is as long as allowed. */
  finish?: 'stop' | 'length';
}

/** One answer under way. */
class Answer {
  private readonly stream: TextStream;
  private readonly trimmed = new TrimmedStream();
  tokens = 0;

  constructor({ tokenizer }: ContextModel) {
    this.stream = new TextStream(tokenizer);
  }

  push(token: number): string {
    this.tokens += 1;
    return this.trimmed.push(this.stream.push(token));
  }

  end(): string {
    return this.trimmed.push(this.stream.end());
  }
}

/**
 * Answers to questions (token ids of each, the prompt's template included), together and piece by piece, each from the
 * same cache of one sequence, which stays as it is. Other work goes on between tokens.
 * @param ended whether nobody waits for a question's answer any more
 */
export async function* answers(
  model: ContextModel,
  cache: KvCache,
  prompts: readonly (readonly number[])[],
  options: AskOptions & { ended?: (question: number) => boolean },
): AsyncGenerator<AnswerPiece, void> {
  const { tokenizer, model: decoder } = model;
  const under = prompts.map(() => new Answer(model));
  const going = new Set(prompts.keys());
  const limits = prompts.map((_, question) =>
    typeof options.maxNewTokens === 'number' ? options.maxNewTokens : options.maxNewTokens[question]!,
  );
  const spread =
    prompts.length === 1
      ? cache
      : selectSequences(
          cache,
          prompts.map(() => 0),
        );
  const finish = (question: number, reason: 'stop' | 'length'): AnswerPiece => {
    going.delete(question);
    const answer = under[question]!;
    return { question, text: answer.end(), tokens: answer.tokens, finish: reason };
  };
  try {
    const steps = greedySteps(decoder, spread, prompts, {
      maxNewTokens: Math.max(...limits),
      eosIds: [tokenizer.eosId, ...decoder.config.eosTokenIds],
      ended: (question) => !going.has(question) || (options.ended?.(question) ?? false),
    });
    for (const tokens of steps) {
      const grown = new Map(tokens.map(({ row, token }) => [row, token]));
      for (const question of [...going]) {
        const token = grown.get(question);
        if (token === undefined) {
          yield finish(question, 'stop');
          continue;
        }
        const answer = under[question]!;
        yield { question, text: answer.push(token), tokens: answer.tokens };
        if (answer.tokens >= limits[question]!) yield finish(question, 'length');
      }
      await new Promise(setImmediate);
    }
  } finally {
    if (spread !== cache) disposeCache(spread);
  }
}

/** The answer to one question, piece by piece. */
export async function* askStream(
  model: ContextModel,
  cache: KvCache,
  question: string,
  options: AskOptions,
): AsyncGenerator<string, void> {
  for await (const { text } of answers(model, cache, [questionIds(model.tokenizer, question)], options)) {
    if (text !== '') yield text;
  }
}

/** The uncompressed cache of token ids; the caller disposes it. */
export function wholeCache({ model }: ContextModel, ids: ArrayLike<number>): KvCache {
  return tf.tidy(() => model.forward(makeBatch([ids]), { cacheOnly: true }).cache);
}
