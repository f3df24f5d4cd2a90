/** JSON Lines, and JSON files that hold an array of records or a single one. */
import { UserError } from '../../base/errors.js';
import type { Rows } from './rows.js';
import { decodeUtf8, isSpace, lineSpans, NEWLINE, scanFile, Spans } from './spans.js';

/** What the parser says of text that is right as far as it goes. */
const UNFINISHED = /Unexpected end|Unterminated|No number after/;

function isRightSoFar(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    const { message } = error as Error;
    const position = /at position (\d+)/.exec(message)?.[1];
    return UNFINISHED.test(message) || position === String(text.length);
  }
}

/** Characters before the first that is wrong, which the parser's messages do not always tell. */
function lengthOfRight(text: string): number {
  let right = 0;
  for (let wrong = text.length + 1; wrong - right > 1;) {
    const middle = (right + wrong) >> 1;
    if (isRightSoFar(text.slice(0, middle))) right = middle;
    else wrong = middle;
  }
  return right;
}

/**
 * Text as a JSON value; a syntax error is a UserError with its line and column.
 * @param begins where the text begins in the file: line and column, from 1
 */
function parse(text: string, file: string, begins: () => { line: number; column: number }): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const before = text.slice(0, lengthOfRight(text)).split('\n');
    const { line, column } = begins();
    const inLine = before.at(-1)!.length + (before.length === 1 ? column : 1);
    const reason = (error as Error).message.replace(/ in JSON at position.*|, (\.\.\.)?".*/s, '');
    throw new UserError('bad-json', `not valid JSON: ${reason}`, {
      where: `${file}:${line + before.length - 1}:${inLine}`,
      hint: 'Mend the record, or leave it out.',
    });
  }
}

function spanRows(file: string, spans: Spans): Rows {
  return {
    size: spans.size,
    get: (index) => {
      const line = spans.line(index);
      const where = `${file}:${line}`;
      const text = decodeUtf8(spans.read(file, index), where);
      const value = parse(text, file, () => ({ line, column: spans.column(file, index) }));
      return { value, where, file, number: index + 1 };
    },
  };
}

/** Records of a JSON Lines file, one a line. */
export function jsonLines(file: string): Rows {
  return spanRows(file, lineSpans(file));
}

const [QUOTE, BACKSLASH, COMMA] = ['"', '\\', ','].map((mark) => mark.charCodeAt(0));
const OPEN = new Set(['[', '{'].map((mark) => mark.charCodeAt(0)));
const CLOSE = new Set([']', '}'].map((mark) => mark.charCodeAt(0)));
const ARRAY = '['.charCodeAt(0);

/** Elements of a JSON file's array, found without keeping the file; any other value is the one record. */
export function jsonArray(file: string): Rows {
  const spans = new Spans();
  let [depth, quoted, escaped, line, size] = [0, false, false, 1, 0];
  let array: boolean | undefined;
  let element: { start: number; end: number; line: number } | undefined;
  const finish = (): void => {
    if (element !== undefined) spans.push(element.start, element.end, element.line);
    element = undefined;
  };
  scanFile(file, (bytes, at) => {
    size = at + bytes.length;
    for (let i = 0; i < bytes.length && array !== false; i++) {
      const byte = bytes[i]!;
      if (byte === NEWLINE) line += 1;
      const space = isSpace(byte);
      const mark = byte === 0xef || byte === 0xbb || byte === 0xbf;
      if (array === undefined) {
        if (!space && !(mark && at + i < 3)) array = byte === ARRAY;
        depth = 1;
        continue;
      }
      if (!quoted && depth === 1 && (byte === COMMA || CLOSE.has(byte))) {
        finish();
        if (byte !== COMMA) depth = 0;
        continue;
      }
      if (!space || quoted) {
        // What follows the array's end is an element too, so that it is refused where it is read.
        element ??= { start: at + i, end: at + i, line };
        element.end = at + i + 1;
      }
      if (quoted) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) quoted = false;
      } else if (byte === QUOTE) quoted = true;
      else if (OPEN.has(byte)) depth += 1;
      else if (CLOSE.has(byte)) depth -= 1;
    }
  });
  finish();
  if (array !== true) {
    const whole = new Spans();
    if (array !== undefined) whole.push(0, size, 1);
    return spanRows(file, whole);
  }
  if (depth !== 0) {
    throw new UserError('bad-json', 'not valid JSON: the file ends within its array', {
      where: `${file}:${line}`,
      hint: 'The file is damaged or incomplete; fetch it again.',
    });
  }
  return spanRows(file, spans);
}
