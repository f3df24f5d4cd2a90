/** tokenizer.json of a Hugging Face folder, through @huggingface/tokenizers. */
import { join } from 'node:path';
import { existsSync } from 'node:fs';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import { readJson, readText } from '../base/files.js';
import { sha256 } from '../base/hash.js';

/** What stands before a question and before its answer. */
export interface PromptTemplate {
  question: string;
  answer: string;
}

export interface Tokenizer {
  /** Token ids of text; added tokens inside it are recognised, none are put around it. */
  encode(text: string): number[];
  /** Text of token ids, special tokens left out. */
  decode(ids: readonly number[]): string;
  /** Id of a token as the vocabulary spells it. */
  tokenToId(token: string): number | undefined;
  /** One more than the largest id. */
  readonly vocabSize: number;
  readonly bosId: number;
  readonly eosId: number;
  readonly padId: number;
  readonly promptTemplate: PromptTemplate;
  /** SHA-256 of tokenizer.json. */
  readonly hash: string;
}

/** What we use of the library; its own type declarations do not resolve under NodeNext. */
interface LibraryTokenizer {
  encode(text: string, options?: { add_special_tokens?: boolean }): { ids: number[] };
  decode(ids: number[], options?: { skip_special_tokens?: boolean }): string;
  token_to_id(token: string): number | undefined;
  get_vocab(withAddedTokens: boolean): Map<string, number>;
}
const LibraryTokenizer = HuggingFaceTokenizer as unknown as new (tokenizer: object, config: object) => LibraryTokenizer;

const MAX_BYTES = 64 * 2 ** 20;

const tokenName = z
  .union([z.string(), z.object({ content: z.string() }).transform((token) => token.content)])
  .nullish();
const configSchema = z.looseObject({
  bos_token: tokenName,
  eos_token: tokenName,
  pad_token: tokenName,
  kvd_prompt: z.object({ question: z.string(), answer: z.string() }).optional(),
});

/** For models that bring no template of their own. */
const plainTemplate: PromptTemplate = { question: '\n\nQuestion:', answer: '\nAnswer:' };

/** The tokenizer in `folder`; a damaged one is a UserError that names the file. */
export function loadTokenizer(folder: string): Tokenizer {
  const path = join(folder, 'tokenizer.json');
  const configPath = join(folder, 'tokenizer_config.json');
  const json = readJson(path, MAX_BYTES);
  const refuse = (where: string, problem: string): UserError =>
    new UserError('bad-tokenizer', problem, { where, hint: 'Fetch or make the model folder again.' });
  const parsed = configSchema.safeParse(existsSync(configPath) ? readJson(configPath) : {});
  if (!parsed.success) throw refuse(configPath, z.prettifyError(parsed.error));
  const config = parsed.data;
  let inner: LibraryTokenizer;
  try {
    inner = new LibraryTokenizer(json as object, config);
    inner.encode('a');
  } catch (error) {
    throw refuse(path, `is not a tokenizer that can be read: ${(error as Error).message}`);
  }
  const idOf = (role: string, token: string | null | undefined): number | undefined => {
    if (token === null || token === undefined) return undefined;
    const id = inner.token_to_id(token);
    if (id === undefined) throw refuse(configPath, `${role} "${token}" is not in the vocabulary`);
    return id;
  };
  const eosId = idOf('eos_token', config.eos_token);
  if (eosId === undefined) throw refuse(configPath, 'names no eos_token');
  return {
    encode: (text) => (text === '' ? [] : inner.encode(text, { add_special_tokens: false }).ids),
    decode: (ids) => (ids.length === 0 ? '' : inner.decode([...ids], { skip_special_tokens: true })),
    tokenToId: (token) => inner.token_to_id(token),
    vocabSize: [...inner.get_vocab(true).values()].reduce((a, b) => Math.max(a, b), 0) + 1,
    bosId: idOf('bos_token', config.bos_token) ?? eosId,
    eosId,
    padId: idOf('pad_token', config.pad_token) ?? eosId,
    promptTemplate: config.kvd_prompt ?? plainTemplate,
    hash: sha256(readText(path, MAX_BYTES)),
  };
}
