/** Documents and spans of them as parts of one context, each with the share of rows that it keeps. */
import { UserError } from '../base/errors.js';
import { contextIds } from '../models/prompt.js';
import type { Tokenizer } from '../models/tokenizer.js';

/** Characters `from` to before `to` of a document, counted in Unicode code points. */
export interface Span {
  /** 0 unless given. */
  from?: number | undefined;
  /** The document's end unless given. */
  to?: number | undefined;
  /** Share of rows that it keeps; 1 = kept whole. */
  retention: number;
}

/** A document to be compressed, or a part of a prompt. An empty text is a UserError. */
export interface DocumentInput {
  text: string;
  /** What to call it, such as its file name. */
  name?: string | undefined;
  /** Share of rows kept of what no span covers; the call's own unless given. */
  retention?: number | undefined;
  spans?: readonly Span[] | undefined;
}

/** Neighbouring tokens of a document that are compressed together. */
export interface Part {
  ids: number[];
  retention: number;
  source: string | null;
}

/** What stands between two documents of a context. */
const SEPARATOR = '\n\n';

function refuse(document: DocumentInput, problem: string): UserError {
  return new UserError('bad-span', problem, {
    ...(document.name !== undefined && { where: document.name }),
    hint: 'Spans are from:to@retention, in characters, in order and apart from each other.',
  });
}

/** Token ids of a document's text, or of a part of it from its beginning. */
type Encode = (text: string) => number[];

/** How many token ids two lists begin with alike. */
function common(some: readonly number[], others: readonly number[]): number {
  const differs = some.findIndex((id, i) => id !== others[i]);
  return differs === -1 ? some.length : differs;
}

/** What stands before a document's own tokens, and how those are made of its text. */
function encoding(tokenizer: Tokenizer, text: string, first: boolean): { head: number[]; encode: Encode } {
  if (!first) return { head: tokenizer.encode(SEPARATOR), encode: (part) => tokenizer.encode(part) };
  const bare = contextIds(tokenizer, '');
  const head = bare.slice(0, common(bare, contextIds(tokenizer, text)));
  return { head, encode: (part) => contextIds(tokenizer, part).slice(head.length) };
}

/** The document's spans as tokens `[from, to)` of `ids`, checked. */
function tokenSpans(
  encode: Encode,
  document: DocumentInput,
  ids: readonly number[],
): { from: number; to: number; retention: number }[] {
  const { spans = [] } = document;
  if (spans.length === 0) return [];
  const characters = Array.from(document.text);
  // A token that reaches beyond a character belongs to what follows.
  const place = (character: number): number => common(encode(characters.slice(0, character).join('')), ids);
  let end = 0;
  return spans.map(({ from = 0, to = characters.length, retention }) => {
    const text = `span ${from}:${to}`;
    if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || from >= to) {
      throw refuse(document, `${text} is no range`);
    }
    if (to > characters.length)
      throw refuse(document, `${text} ends behind the last of ${characters.length} characters`);
    if (from < end) throw refuse(document, `${text} begins before the one before it ends`);
    checkRetention(retention, text);
    end = to;
    const tokens = { from: place(from), to: to === characters.length ? ids.length : place(to), retention };
    if (tokens.from === tokens.to) throw refuse(document, `${text} holds no whole token`);
    return tokens;
  });
}

/** Refuses what is no share of rows. */
export function checkRetention(retention: number, where: string): void {
  if (retention > 0 && retention <= 1) return;
  throw new UserError('bad-retention', `${retention} is no retention ratio`, {
    where,
    hint: 'Give the share of rows to keep, above 0 and at most 1.',
  });
}

/**
 * The parts of documents, in order. The first document begins with the tokenizer's first token; between two stands an
 * empty line.
 * @param retention of documents that name none
 * @param follows whether other documents stand before these
 */
export function partsOf(
  tokenizer: Tokenizer,
  documents: readonly DocumentInput[],
  retention: number,
  follows: boolean,
): Part[] {
  return documents.flatMap((document, number) => {
    const { head, encode } = encoding(tokenizer, document.text, number === 0 && !follows);
    const ids = encode(document.text);
    if (ids.length === 0) {
      throw new UserError('empty-document', 'is empty', {
        where: document.name ?? `document ${number + 1}`,
        hint: 'Leave it out, or name another.',
      });
    }
    const rest = document.retention ?? retention;
    checkRetention(rest, document.name ?? `document ${number + 1}`);
    const source = document.name ?? null;
    const parts: Part[] = [];
    let at = 0;
    const add = (to: number, share: number): void => {
      const own = ids.slice(at, to);
      if (own.length > 0) parts.push({ ids: own, retention: share, source });
      at = to;
    };
    for (const span of tokenSpans(encode, document, ids)) {
      add(span.from, rest);
      add(span.to, span.retention);
    }
    add(ids.length, rest);
    parts[0]!.ids.unshift(...head);
    return parts;
  });
}
