/** Text of token ids as they come, one by one. */
import type { Tokenizer } from './tokenizer.js';

/** What stands for bytes that are no whole character yet. */
const INCOMPLETE = '\uFFFD';
/** Whole characters of any length, in bytes: what is none by then is U+FFFD itself. */
const MOST_WAITING = 12;

/**
 * Text that each further token adds. A token that ends within a character adds nothing until the character is whole.
 * Decodes a few tokens at a time, since tokens may read otherwise behind others than alone.
 */
export class TextStream {
  private readonly ids: number[] = [];
  /** Tokens from here on are decoded: those before `read` are only what the new ones stand behind. */
  private from = 0;
  private read = 0;

  constructor(private readonly tokenizer: Tokenizer) {}

  /** @returns what the text has grown by */
  push(id: number): string {
    this.ids.push(id);
    const text = this.pending();
    if (text.endsWith(INCOMPLETE) && this.ids.length - this.read < MOST_WAITING) return '';
    this.from = this.read;
    this.read = this.ids.length;
    return text;
  }

  /** What is left at the end: a character of which bytes are missing. */
  end(): string {
    const text = this.pending();
    this.read = this.ids.length;
    return text;
  }

  private pending(): string {
    const known = this.tokenizer.decode(this.ids.slice(this.from, this.read));
    return this.tokenizer.decode(this.ids.slice(this.from)).slice(known.length);
  }
}

/** Text without the white space around it, piece by piece: what ends in white space waits for what follows. */
export class TrimmedStream {
  private begun = false;
  private held = '';

  /** @returns what can be shown now */
  push(piece: string): string {
    const text = this.held + (this.begun ? piece : piece.trimStart());
    const shown = text.trimEnd();
    if (shown === '') {
      this.held = this.begun ? text : '';
      return '';
    }
    this.begun = true;
    this.held = text.slice(shown.length);
    return shown;
  }
}
