/** Tables as JSON: the data itself. */
import type { Writer } from './writer.js';

export const json: Writer = {
  name: 'json',
  summary: 'JSON: values, standard errors and notes as data',
  reference: 'RFC 8259',
  extension: 'json',
  write: (table) => `${JSON.stringify(table, null, 2)}\n`,
};
