/** Which statements of a generated text its references do not support, by a rule on words alone. */

export interface Span {
  text: string;
  unsupported: boolean;
}

/** The rule, for notes. */
export const SUPPORT_RULE =
  'A statement is what stands between commas, semicolons, full stops, question or exclamation marks, and the word "and". It is marked as unsupported unless some sentence of some reference holds all capitalised words of the statement\'s sentence, and one statement of that sentence all other words of it (capitals, words of grammar such as "is" and "the", and order aside). A statement without any such word is never marked.';

const GRAMMAR = new Set(
  'a an the and or of to in on at by for with from as is are was were be been has have had it its this that these those there'.split(
    ' ',
  ),
);
const SENTENCE = /[^.!?]+[.!?]*\s*/g;
const BORDER = /([,;.!?]+\s*|\s+and\s+)/;

interface Statement {
  /** Capitalised words, lower-cased. */
  names: string[];
  /** Other words. */
  words: string[];
}

function read(text: string): Statement {
  const found = (text.match(/[\p{L}\p{N}]+/gu) ?? []).filter((word) => !GRAMMAR.has(word.toLowerCase()));
  const capital = (word: string): boolean => /^\p{Lu}/u.test(word);
  return {
    names: found.filter(capital).map((word) => word.toLowerCase()),
    words: found.filter((word) => !capital(word)),
  };
}

interface Sentence {
  all: ReadonlySet<string>;
  statements: ReadonlySet<string>[];
}

function sentencesOf(reference: string): Sentence[] {
  return (reference.match(SENTENCE) ?? []).map((sentence) => {
    const statements = sentence.split(BORDER).map((part) => {
      const { names, words } = read(part);
      return new Set([...names, ...words.map((word) => word.toLowerCase())]);
    });
    return { all: new Set(statements.flatMap((words) => [...words])), statements };
  });
}

/** The text in spans, each marked; joined they are the text again. */
export function markUnsupported(text: string, references: readonly string[]): Span[] {
  const known = references.flatMap(sentencesOf);
  return (text.match(SENTENCE) ?? []).flatMap((sentence) => {
    const { names } = read(sentence);
    return sentence
      .split(BORDER)
      .filter((part) => part !== '')
      .map((part) => {
        const own = read(part);
        const says = own.words.length + own.names.length > 0;
        const supported = known.some(
          ({ all, statements }) =>
            names.every((name) => all.has(name)) &&
            statements.some((words) => own.words.every((word) => words.has(word.toLowerCase()))),
        );
        return { text: part, unsupported: says && !supported };
      });
  });
}

/** Statements of a text, and how many of them are unsupported. */
export function countUnsupported(spans: readonly Span[]): { statements: number; unsupported: number } {
  const statements = spans.filter(({ text }) => {
    const { names, words } = read(text);
    return names.length + words.length > 0;
  });
  return { statements: statements.length, unsupported: statements.filter((span) => span.unsupported).length };
}
