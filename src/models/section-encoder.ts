/**
 * Text to token ids through a library's parts, section by section: text from outside never becomes a control token,
 * only what is marked as a template's own does.
 */

/** Plain text, in which special tokens are text like any other, or a template's own, in which they are tokens. */
export type Text = string | { control: string };

interface AddedToken {
  id: number;
  content: string;
  special: boolean;
  normalized: boolean;
  lstrip: boolean;
  rstrip: boolean;
}

/** What we use of @huggingface/tokenizers; its own type declarations do not resolve under NodeNext. */
export interface LibraryTokenizer {
  normalizer: ((text: string) => string) | null;
  pre_tokenizer: ((text: string, options: { section_index: number }) => string[]) | null;
  model: ((words: string[]) => string[]) & {
    tokens_to_ids: Map<string, number>;
    unk_token?: string;
    unk_token_id?: number;
  };
  encode(text: string, options?: { add_special_tokens?: boolean }): { ids: number[] };
  decode(
    ids: number[],
    options?: { skip_special_tokens?: boolean; clean_up_tokenization_spaces?: boolean },
  ): string;
  token_to_id(token: string): number | undefined;
  get_added_tokens_decoder(): Map<number, AddedToken>;
  get_vocab(withAddedTokens: boolean): Map<string, number>;
}

type Section = { text: string } | { token: AddedToken };

/** Splits text at the longest of `tokens` that starts first. */
class Splitter {
  private readonly tokens = new Map<string, AddedToken>();
  private readonly pattern: RegExp | undefined;

  constructor(entries: readonly (readonly [content: string, token: AddedToken])[]) {
    const contents = entries.filter(([content]) => content !== '');
    this.tokens = new Map(contents);
    const sorted = [...this.tokens.keys()].sort((a, b) => b.length - a.length);
    const escaped = sorted.map((content) => content.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&'));
    if (escaped.length > 0) this.pattern = new RegExp(`(${escaped.join('|')})`);
  }

  split(text: string): Section[] {
    const pieces = this.pattern === undefined ? [text] : text.split(this.pattern);
    return pieces
      .filter((piece) => piece !== '')
      .map((piece) => {
        const token = this.tokens.get(piece);
        return token === undefined ? { text: piece } : { token };
      });
  }
}

/** Tokens that take the white space beside them. */
function strip(sections: Section[]): Section[] {
  const tokenAt = (i: number): AddedToken | undefined => {
    const section = sections[i];
    return section !== undefined && 'token' in section ? section.token : undefined;
  };
  return sections.map((section, i) => {
    if ('token' in section) return section;
    let { text } = section;
    if (tokenAt(i - 1)?.rstrip) text = text.trimStart();
    if (tokenAt(i + 1)?.lstrip) text = text.trimEnd();
    return { text };
  });
}

export class SectionEncoder {
  /** In a template's own text, in text from outside, and in normalised text. */
  private readonly control: Splitter;
  private readonly outside: Splitter;
  private readonly normalized: Splitter;
  private readonly special: ReadonlySet<string>;

  /** @param unprefixed the normaliser without what it puts before a text */
  constructor(
    private readonly library: LibraryTokenizer,
    private readonly unprefixed: LibraryTokenizer['normalizer'],
  ) {
    const added = [...library.get_added_tokens_decoder().values()];
    const late = (token: AddedToken): boolean =>
      token.normalized && !token.special && library.normalizer !== null;
    const named = (tokens: AddedToken[]): [string, AddedToken][] =>
      tokens.map((token) => [token.content, token]);
    this.control = new Splitter(named(added.filter((token) => !late(token))));
    this.outside = new Splitter(named(added.filter((token) => !late(token) && !token.special)));
    this.normalized = new Splitter(
      added.filter(late).map((token) => [library.normalizer!(token.content), token]),
    );
    const { unk_token: unknown } = library.model;
    this.special = new Set(
      added.filter(({ special, content }) => special && content !== unknown).map(({ content }) => content),
    );
  }

  /**
   * Token ids of texts that stand one behind the other, as of one text.
   * @param continues whether something stands before them: then nothing is put before the first word
   */
  encode(texts: readonly Text[], continues: boolean): number[] {
    const sections: Section[] = [];
    for (const text of texts) {
      const own = typeof text === 'string' ? this.outside.split(text) : this.control.split(text.control);
      for (const section of own) {
        const last = sections.at(-1);
        if ('text' in section && last !== undefined && 'text' in last) last.text += section.text;
        else sections.push(section);
      }
    }
    const normalizer = continues ? this.unprefixed : this.library.normalizer;
    return strip(sections).flatMap((section, i) => {
      if ('token' in section) return [section.token.id];
      if (section.text === '') return [];
      const text = normalizer === null ? section.text : normalizer(section.text);
      const inner = strip(this.normalized.split(text));
      return inner.flatMap((part) =>
        'token' in part
          ? [part.token.id]
          : part.text === ''
            ? []
            : this.words(part.text, i + Number(continues)),
      );
    });
  }

  private words(text: string, section: number): number[] {
    const { model, pre_tokenizer: split } = this.library;
    const tokens = model(split === null ? [text] : split(text, { section_index: section }));
    // A vocabulary may hold control tokens as pieces like any other (Unigram).
    const safe = tokens.flatMap((token) =>
      this.special.has(token) ? Array.from(token).flatMap((c) => model([c])) : [token],
    );
    return safe
      .map((token) => model.tokens_to_ids.get(token) ?? model.unk_token_id)
      .filter((id) => id !== undefined);
  }
}
