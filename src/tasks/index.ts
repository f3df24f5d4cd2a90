/** All tasks, by name. */
import { Registry } from '../base/registry.js';
import { continuation } from './continuation.js';
import { govreport } from './govreport.js';
import { nanoGovreport } from './nano-govreport.js';
import { nanoLongQa } from './nano-long-qa.js';
import { nanoNeedle } from './nano-needle.js';
import { nanoQa } from './nano-qa.js';
import { nanoSquality } from './nano-squality.js';
import { needle } from './needle.js';
import { quality } from './quality.js';
import { recordsQa } from './records-qa.js';
import { recordsSummary } from './records-summary.js';
import { squad } from './squad.js';
import { squality } from './squality.js';

/** All tasks; an unknown name is a UserError with suggestions. */
export const tasks = new Registry('task', [
  nanoQa,
  nanoLongQa,
  nanoSquality,
  nanoGovreport,
  nanoNeedle,
  squad,
  quality,
  squality,
  govreport,
  needle,
  recordsQa,
  recordsSummary,
  continuation,
]);
