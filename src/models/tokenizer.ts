/** tokenizer.json of a Hugging Face folder, through @huggingface/tokenizers. */
import { join } from 'node:path';
import { existsSync } from 'node:fs';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import { readJson, readText } from '../base/files.js';
import { canonicalJson, sha256 } from '../base/hash.js';
import { chatPrompt, plainPrompt, type PromptTemplate } from './prompt-template.js';
import { nestsRepeats, patternsIn } from './tokenizer-patterns.js';
import { SectionEncoder, type LibraryTokenizer, type Text } from './section-encoder.js';

/** Text to token ids and back, as `tokenizer.json` and `tokenizer_config.json` say. */
export interface Tokenizer {
  /**
   * Token ids of text, or of texts that follow each other; special tokens in it are text like any other but where it
   * is marked as control text, none are put around it.
   * @param continues whether other text stands before it, so that no space is put before its first word
   */
  encode(text: Text | readonly Text[], continues?: boolean): number[];
  /** Text of token ids, special tokens left out. */
  decode(ids: readonly number[]): string;
  /** Id of a token as the vocabulary spells it. */
  tokenToId(token: string): number | undefined;
  /** One more than the largest id. */
  readonly vocabSize: number;
  readonly bosId: number;
  /** Ends an answer: of instruct models, the end of their turn. */
  readonly eosId: number;
  readonly padId: number;
  /** What stands before a text where no chat template says: the beginning of sequence, or nothing. */
  readonly prefixIds: readonly number[];
  readonly promptTemplate: PromptTemplate;
  /** SHA-256 of tokenizer.json, what is read of tokenizer_config.json, and the chat template. */
  readonly hash: string;
}

const LibraryTokenizer = HuggingFaceTokenizer as unknown as new (
  tokenizer: object,
  config: object,
) => LibraryTokenizer;

const MAX_BYTES = 64 * 2 ** 20;

const tokenName = z
  .union([z.string(), z.object({ content: z.string() }).transform((token) => token.content)])
  .nullish()
  .transform((name) => name ?? undefined);
const namedTemplates = z
  .array(z.object({ name: z.string(), template: z.string() }))
  .transform((templates) => templates.find(({ name }) => name === 'default')?.template);
const configSchema = z.looseObject({
  bos_token: tokenName,
  eos_token: tokenName,
  pad_token: tokenName,
  unk_token: tokenName,
  add_bos_token: z.boolean().nullish(),
  chat_template: z.union([z.string(), namedTemplates]).nullish(),
  kvd_prompt: z.object({ question: z.string(), answer: z.string() }).optional(),
});
type Config = z.output<typeof configSchema>;

/** A normaliser's JSON without the parts that put something before a text. */
function withoutPrepend(normalizer: unknown): unknown {
  const { type, normalizers } = (normalizer ?? {}) as { type?: unknown; normalizers?: unknown[] };
  if (type === 'Prepend') return null;
  if (type !== 'Sequence' || !Array.isArray(normalizers)) return normalizer;
  return { type, normalizers: normalizers.map(withoutPrepend).filter((part) => part !== null) };
}

/** The library's normaliser of this JSON alone. */
function normalizerOf(normalizer: unknown): LibraryTokenizer['normalizer'] {
  const model = { type: 'BPE', vocab: {}, merges: [] };
  const bare = {
    model,
    normalizer,
    pre_tokenizer: null,
    decoder: null,
    post_processor: null,
    added_tokens: [],
  };
  return new LibraryTokenizer(bare, {}).normalizer;
}

/** What the tokenizer puts before a text, by `add_bos_token` where that is said, else by its own post-processor. */
function prefixIds(library: LibraryTokenizer, config: Config, bosId: number | undefined): number[] {
  if (bosId === undefined || config.add_bos_token === false) return [];
  if (config.add_bos_token === true) return [bosId];
  const bare = library.encode('a', { add_special_tokens: false }).ids;
  const whole = library.encode('a').ids;
  const at = whole.findIndex((_, i) => bare.every((id, n) => whole[i + n] === id));
  return whole.slice(0, Math.max(0, at));
}

const TEMPLATE = 'chat_template.jinja';

/** The chat template where it has a file of its own. */
function templateFile(folder: string): string | undefined {
  const path = join(folder, TEMPLATE);
  return existsSync(path) ? readText(path) : undefined;
}

function promptOf(
  config: Config,
  inFile: string | undefined,
  folder: string,
  configPath: string,
): PromptTemplate {
  const { kvd_prompt: own } = config;
  if (own !== undefined) return { ...plainPrompt, question: `${own.question} `, answer: own.answer };
  const template = inFile ?? config.chat_template;
  if (template === null || template === undefined) return plainPrompt;
  const names = ['bos_token', 'eos_token', 'pad_token', 'unk_token'] as const;
  const variables = Object.fromEntries(names.map((name) => [name, config[name] ?? '']));
  return chatPrompt(template, variables, inFile === undefined ? configPath : join(folder, TEMPLATE));
}

/** The tokenizer in `folder`; a damaged one is a UserError that names the file. */
export function loadTokenizer(folder: string): Tokenizer {
  const path = join(folder, 'tokenizer.json');
  const configPath = join(folder, 'tokenizer_config.json');
  const json = readJson(path, MAX_BYTES);
  const refuse = (where: string, problem: string): UserError =>
    new UserError('bad-tokenizer', problem, { where, hint: 'Fetch or make the model folder again.' });
  const endless = patternsIn(json).find(nestsRepeats);
  if (endless !== undefined) {
    throw refuse(
      path,
      `its pattern ${JSON.stringify(endless)} repeats what repeats, which may take endless time`,
    );
  }
  const parsed = configSchema.safeParse(existsSync(configPath) ? readJson(configPath) : {});
  if (!parsed.success) throw refuse(configPath, z.prettifyError(parsed.error));
  const config = parsed.data;
  /** A file that the library cannot use may show so only later, in texts of some kind. */
  const guarded = <T>(act: () => T): T => {
    try {
      return act();
    } catch (error) {
      throw refuse(path, `is not a tokenizer that can be used: ${(error as Error).message}`);
    }
  };
  const { library, encoder, vocabSize } = guarded(() => {
    const library = new LibraryTokenizer(json as object, config);
    const encoder = new SectionEncoder(
      library,
      normalizerOf(withoutPrepend((json as { normalizer?: unknown }).normalizer)),
    );
    library.decode(encoder.encode(['a b'], false));
    const vocabSize = [...library.get_vocab(true).values()].reduce((a, b) => Math.max(a, b), 0) + 1;
    return { library, encoder, vocabSize };
  });
  const idOf = (role: string, token: string | undefined): number | undefined => {
    if (token === undefined) return undefined;
    const id = library.token_to_id(token);
    if (id === undefined) throw refuse(configPath, `${role} "${token}" is not in the vocabulary`);
    return id;
  };
  const bosId = idOf('bos_token', config.bos_token);
  const eosToken = idOf('eos_token', config.eos_token);
  if (eosToken === undefined) throw refuse(configPath, 'names no eos_token');
  const templateInFile = templateFile(folder);
  const promptTemplate = promptOf(config, templateInFile, folder, configPath);
  const added = library.get_added_tokens_decoder();
  const ends = guarded(() => encoder.encode([{ control: promptTemplate.end }], true)).filter(
    (id) => added.get(id)?.special,
  );
  return {
    encode: (text, continues = false) =>
      guarded(() => encoder.encode(typeof text === 'string' || 'control' in text ? [text] : text, continues)),
    decode: (ids) => {
      const options = { skip_special_tokens: true, clean_up_tokenization_spaces: false };
      return ids.length === 0 ? '' : guarded(() => library.decode([...ids], options));
    },
    tokenToId: (token) => library.token_to_id(token),
    vocabSize,
    bosId: bosId ?? eosToken,
    eosId: ends[0] ?? eosToken,
    padId: idOf('pad_token', config.pad_token) ?? eosToken,
    prefixIds: promptTemplate.whole ? [] : guarded(() => prefixIds(library, config, bosId)),
    promptTemplate,
    hash: sha256([readText(path, MAX_BYTES), canonicalJson(config), templateInFile ?? ''].join('\n')),
  };
}
