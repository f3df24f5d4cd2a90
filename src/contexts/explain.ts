/** Which tokens of a document a compressed context has kept. */
import { UserError } from '../base/errors.js';
import { PAD_POSITION } from '../models/batch.js';
import { TextStream } from '../models/text-stream.js';
import type { Tokenizer } from '../models/tokenizer.js';
import { tokensHash } from './compress.js';
import type { CompressedContext } from './context.js';

/** A document's text in tokens, and where each is kept. */
export interface Explanation {
  /** Text that each token adds; '' for special tokens and for the first bytes of a character. */
  pieces: string[];
  layers: number;
  /** KV heads of a layer that differ; 1 where all keep the same tokens. */
  heads: number;
  /** Whether a head of a layer keeps a token, by [layer · heads + head][token]; one list where all layers keep the same. */
  kept: boolean[][];
}

/** Token ids of a context: its own, or those of its documents, told by their hashes. */
export function contextTokens(
  { tokenIds, info }: CompressedContext,
  given: readonly number[] | undefined,
): ArrayLike<number> {
  if (given === undefined) {
    if (tokenIds !== undefined) return tokenIds;
    throw new UserError('no-text', 'the context does not hold its text', {
      hint: 'Name the document that it was made of with --document.',
    });
  }
  const same =
    given.length === info.tokens &&
    info.segments.every(({ from, to, tokens_hash }) => tokensHash(given.slice(from, to)) === tokens_hash);
  if (same) return given;
  throw new UserError('wrong-document', 'the context was made of another text', {
    where: '--document',
    hint: `Name the documents that it was made of, in order: ${info.tokens} tokens, not ${given.length}.`,
  });
}

/** Number of the token that each position of the context is, -1 where rows stand at positions of their own. */
function tokensByPosition({ info }: CompressedContext): Int32Array {
  const tokens = new Int32Array(info.next_position).fill(-1);
  for (const { from, to, position, compression } of info.segments) {
    if (compression?.own_positions) continue;
    for (let token = from; token < to; token++) tokens[position + token - from] = token;
  }
  return tokens;
}

/**
 * What a context keeps of its tokens, by layer and head where they differ. Rows that stand for no single token (ICAE's slots,
 * keys that were moved) are a UserError.
 * @param ids its token ids: `context.tokenIds`, where the text was kept
 */
export function explain(
  context: CompressedContext,
  ids: ArrayLike<number>,
  tokenizer: Tokenizer,
): Explanation {
  const { cache, info } = context;
  const slots = info.segments.find(({ compression }) => compression?.own_positions);
  if (slots !== undefined) {
    throw new UserError('no-tokens-kept', `rows of ${slots.compression!.method} stand for no single token`, {
      hint: 'Only methods that keep rows of tokens can be shown.',
    });
  }
  const tokenAt = tokensByPosition(context);
  const distinct = [...new Set(cache.positions)];
  const heads = Math.max(...distinct.map((positions) => positions.shape[1]));
  const layers = distinct.length === 1 ? [distinct[0]!] : cache.positions;
  const kept = layers.flatMap((positions) => {
    const [, own, rows] = positions.shape;
    const data = positions.dataSync();
    return Array.from({ length: heads }, (_, head) => {
      const marks = Array.from({ length: info.tokens }, () => false);
      const start = own === 1 ? 0 : head * rows;
      for (const at of data.subarray(start, start + rows)) {
        if (at !== PAD_POSITION) marks[tokenAt[at]!] = true;
      }
      return marks;
    });
  });
  const stream = new TextStream(tokenizer);
  const pieces = Array.from(ids, (id) => stream.push(id));
  pieces[pieces.length - 1] += stream.end();
  return { pieces, layers: cache.positions.length, heads, kept };
}
