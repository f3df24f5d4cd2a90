/** All datasets, by name. */
import { Registry } from '../base/registry.js';
import { govreport } from './govreport.js';
import { nanoGovreport } from './nano/govreport.js';
import { nano } from './nano/index.js';
import { nanoLong } from './nano/long.js';
import { nanoMix } from './nano/mix.js';
import { nanoNeedle } from './nano/needle.js';
import { nanoSquality } from './nano/squality.js';
import { needle } from './needle.js';
import { quality } from './quality.js';
import { squad } from './squad.js';
import { squality } from './squality.js';

export const datasets = new Registry('dataset', [
  nano,
  nanoLong,
  nanoSquality,
  nanoGovreport,
  nanoNeedle,
  nanoMix,
  squad,
  quality,
  squality,
  govreport,
  needle,
]);
