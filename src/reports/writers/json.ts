/** Tables as JSON: the data itself. */
import type { Writer } from './writer.js';

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** A value as indented JSON, in which no character controls a terminal. */
export function jsonText(value: unknown): string {
  // JSON itself lets the upper control characters and line separators through.
  return `${JSON.stringify(value, null, 2).replace(/[\u007f-\u009f\u2028\u2029]/g, escapeUnit)}\n`;
}

export const json: Writer = {
  name: 'json',
  summary: 'JSON: values, standard errors and notes as data',
  reference: 'RFC 8259',
  extension: 'json',
  write: jsonText,
};
