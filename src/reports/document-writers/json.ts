/** A report as JSON: the document itself. */
import { jsonText } from '../writers/json.js';
import type { DocumentWriter } from './writer.js';

export const json: DocumentWriter = {
  name: 'json',
  summary: 'JSON: the whole report as data',
  reference: 'RFC 8259',
  extension: 'json',
  write: jsonText,
};
