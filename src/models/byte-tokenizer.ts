/** One token a byte: reads any text where a model's own tokenizer is not at hand. */
import { sha256 } from '../base/hash.js';
import { plainPrompt } from './prompt-template.js';
import type { Tokenizer } from './tokenizer.js';

const BEGIN = 256;
const END = 257;

export const byteTokenizer: Tokenizer = {
  encode: (text) => {
    const parts = typeof text === 'string' || 'control' in text ? [text] : text;
    return parts.flatMap((part) => [...Buffer.from(typeof part === 'string' ? part : part.control)]);
  },
  decode: (ids) => Buffer.from(ids.filter((id) => id < BEGIN)).toString(),
  tokenToId: () => undefined,
  vocabSize: END + 1,
  bosId: BEGIN,
  eosId: END,
  padId: END,
  prefixIds: [BEGIN],
  promptTemplate: plainPrompt,
  hash: sha256('bytes'),
};
