/** All compression methods, by name. */
import { Registry } from '../base/registry.js';
import { dodo } from './dodo.js';
import { full } from './full.js';
import { h2a } from './h2a.js';
import { h2i } from './h2i.js';
import { icae } from './icae.js';
import { kvd } from './kvd.js';
import { none } from './none.js';
import { random } from './random.js';
import { snapkv } from './snapkv.js';
import { snapkvQuestion } from './snapkv-question.js';
import { streaming } from './streaming.js';

export const methods = new Registry('method', [
  full,
  kvd,
  dodo,
  icae,
  h2a,
  h2i,
  snapkv,
  snapkvQuestion,
  random,
  streaming,
  none,
]);
