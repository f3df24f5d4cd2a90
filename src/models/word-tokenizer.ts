/** Makes the nano world's tokenizer: whole words it knows, single bytes of everything else. */

/** Special tokens in the order of their ids, from 0. */
export const specialTokens = ['<pad>', '<bos>', '<eos>', '<question>', '<answer>', '<unk>'] as const;

/** GPT-2's printable stand-ins for the 256 bytes. */
function byteAlphabet(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCharCode(printable ? byte : next++);
  });
}

/**
 * tokenizer.json and tokenizer_config.json of a byte-level BPE without merges: with `ignore_merges`, a
 * word of the vocabulary is one token, and any other falls apart into bytes.
 * @param words words as written (they follow a space in text) and punctuation marks (they do not)
 */
export function buildWordTokenizer(words: readonly string[]): {
  tokenizer: object;
  config: object;
  /** In the order of their ids. */
  tokens: string[];
} {
  const vocab: Record<string, number> = {};
  const add = (token: string): void => {
    vocab[token] ??= Object.keys(vocab).length;
  };
  specialTokens.forEach(add);
  for (const word of words) add(/^\w/.test(word) ? `Ġ${word}` : word);
  byteAlphabet().forEach(add);
  const byteLevel = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true };
  return {
    // Not by Object.keys alone: digits would come first.
    tokens: Object.keys(vocab).sort((a, b) => vocab[a]! - vocab[b]!),
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: specialTokens.map((content, id) => ({
        id,
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      })),
      normalizer: null,
      pre_tokenizer: byteLevel,
      post_processor: null,
      decoder: byteLevel,
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: '<unk>',
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: true,
        vocab,
        merges: [],
      },
    },
    config: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      bos_token: '<bos>',
      eos_token: '<eos>',
      pad_token: '<pad>',
      unk_token: '<unk>',
      add_bos_token: true,
      clean_up_tokenization_spaces: false,
      kvd_prompt: { question: '<question>', answer: '<answer>' },
    },
  };
}
