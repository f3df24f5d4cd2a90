/** All datasets, by name. */
import { Registry } from '../base/registry.js';
import { govreport } from './govreport.js';
import { longAlpaca } from './long-alpaca.js';
import { defineMixture } from './mixture.js';
import { nanoGovreport } from './nano/govreport.js';
import { nano } from './nano/index.js';
import { nanoLong } from './nano/long.js';
import { nanoMix } from './nano/mix.js';
import { nanoNeedle } from './nano/needle.js';
import { nanoSquality } from './nano/squality.js';
import { naturalInstructions } from './natural-instructions.js';
import { needle } from './needle.js';
import { p3 } from './p3.js';
import { quality } from './quality.js';
import { records } from './records.js';
import { selfInstruct } from './self-instruct.js';
import { squad } from './squad.js';
import { squality } from './squality.js';
import { texts } from './texts.js';

const single = [
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
  selfInstruct,
  p3,
  longAlpaca,
  naturalInstructions,
  records,
  texts,
];

/** All datasets; an unknown name is a UserError with suggestions. */
export const datasets = new Registry('dataset', [...single, defineMixture(new Registry('dataset', single))]);
