/** Greedy decoding behind a cache, in batches of unequal length. */
import type { KvCache } from './cache.js';
import type { Decoder } from './decoder.js';
import { Decoding } from './decoding.js';

/** Where a greedy continuation ends. */
export interface GreedyOptions {
  maxNewTokens: number;
  /** Generation of a row stops at any of these; they are not part of the output. */
  eosIds: readonly number[];
  /** Rows of which no more is wanted; asked after each step. */
  ended?(row: number): boolean;
}

/** One row's next token. */
export interface NewToken {
  /** Number of its prompt. */
  row: number;
  token: number;
}

/**
 * Greedy continuation of `prompts`, attending to `cache` (which stays as it is), step by step: the new tokens of the
 * rows that go on. Once half of the rows have ended, the others go on alone. Return early to stop; nothing is kept.
 * @param prompts token ids of each row, none empty
 */
export function* greedySteps(
  model: Decoder,
  cache: KvCache | undefined,
  prompts: readonly (readonly number[])[],
  options: GreedyOptions,
): Generator<NewToken[], void> {
  /** Numbers of the rows that are still decoded, in the batch's order; `done` among them only wait. */
  let rows = prompts.map((_, row) => row);
  const done = prompts.map(() => false);
  let inputs: (readonly number[])[] = [...prompts];
  const decoding = new Decoding(model, cache, options.maxNewTokens);
  try {
    for (let step = 0; step < options.maxNewTokens; step++) {
      let tokens = decoding.advance(inputs);
      const fresh: NewToken[] = [];
      tokens.forEach((token, i) => {
        const row = rows[i]!;
        if (done[row]) return;
        if (options.eosIds.includes(token)) done[row] = true;
        else fresh.push({ row, token });
      });
      yield fresh;
      for (const row of rows) done[row] ||= options.ended?.(row) ?? false;
      const left = [...rows.keys()].filter((i) => !done[rows[i]!]);
      if (left.length === 0) break;
      if (2 * left.length <= rows.length) {
        decoding.select(left);
        rows = left.map((i) => rows[i]!);
        tokens = left.map((i) => tokens[i]!);
      }
      inputs = tokens.map((token) => [token]);
    }
  } finally {
    decoding.dispose();
  }
}

/**
 * Greedy continuation of `prompts` to its end (see `greedySteps`).
 * @returns new token ids of each row, without the end token
 */
export function greedy(
  model: Decoder,
  cache: KvCache | undefined,
  prompts: readonly (readonly number[])[],
  options: GreedyOptions,
): number[][] {
  const outputs: number[][] = prompts.map(() => []);
  for (const tokens of greedySteps(model, cache, prompts, options)) {
    for (const { row, token } of tokens) outputs[row]!.push(token);
  }
  return outputs;
}
