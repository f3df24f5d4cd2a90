/** Comma- and tab-separated values with a line of column names (RFC 4180), a record at a time. */
import { CsvError, parse } from 'csv-parse/sync';
import { UserError } from '../../base/errors.js';
import type { Rows } from './rows.js';
import { decodeUtf8, isSpace, NEWLINE, scanFile, Spans } from './spans.js';

const QUOTE = '"'.charCodeAt(0);

/** Records, which a line break ends that no quotation marks enclose; blank lines are none. */
function recordSpans(file: string): Spans {
  const spans = new Spans();
  let [start, line, firstLine, quoted, blank, end] = [0, 1, 1, false, true, 0];
  scanFile(file, (bytes, at) => {
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i]!;
      // A doubled mark inside quotation marks closes and opens them again.
      if (byte === QUOTE) quoted = !quoted;
      if (byte !== NEWLINE) {
        blank &&= isSpace(byte);
        continue;
      }
      line += 1;
      if (quoted) continue;
      if (!blank) spans.push(start, at + i, firstLine);
      [start, firstLine, blank] = [at + i + 1, line, true];
    }
    end = at + bytes.length;
  });
  if (!blank) spans.push(start, end, firstLine);
  return spans;
}

function parseRecord(text: string, delimiter: string, where: string): string[] {
  try {
    const records = parse(text, { delimiter, relax_column_count: true });
    if (records.length === 1) return records[0]!;
    throw new UserError('bad-csv', `${records.length} records where one was expected`, { where });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const column = (error as { column?: unknown }).column;
    const place = typeof column === 'number' ? `${where}, column ${column + 1}` : where;
    throw new UserError('bad-csv', error.message.split(' at line')[0]!.split(', ')[0]!, {
      where: place,
      hint: 'Put fields with marks, breaks or delimiters between quotation marks, and double the marks inside.',
    });
  }
}

/** Records of a CSV file (`delimiter` between fields) as objects of its columns. */
export function csvRows(file: string, delimiter: ',' | '\t'): Rows {
  const spans = recordSpans(file);
  if (spans.size === 0) {
    throw new UserError('bad-csv', 'holds no line of column names', { where: file });
  }
  const fields = (index: number): { where: string; values: string[] } => {
    const where = `${file}:${spans.line(index)}`;
    const text = decodeUtf8(spans.read(file, index), where).replace(/\r$/, '');
    return { where, values: parseRecord(text, delimiter, where) };
  };
  const { values: columns } = fields(0);
  const twice = columns.find((name, i) => columns.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new UserError('bad-csv', `two columns are named ${JSON.stringify(twice)}`, { where: `${file}:1` });
  }
  return {
    size: spans.size - 1,
    get: (index) => {
      const { where, values } = fields(index + 1);
      if (values.length !== columns.length) {
        throw new UserError(
          'bad-csv',
          `has ${values.length} fields, the first line names ${columns.length} columns`,
          {
            where,
            hint: 'Is a delimiter or a quotation mark missing?',
          },
        );
      }
      const value = Object.fromEntries(columns.map((name, i) => [name, values[i]!]));
      return { value, where, file, number: index + 1 };
    },
  };
}
