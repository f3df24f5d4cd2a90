/** All methods that rank rows by scores, by name: what wrappers compose with. */
import { Registry } from '../base/registry.js';
import { cap } from './cap.js';
import { compactor } from './compactor.js';
import { cur } from './cur.js';
import { expectedAttention } from './expected-attention.js';
import { finch } from './finch.js';
import { h2a } from './h2a.js';
import { h2i } from './h2i.js';
import { keydiff } from './keydiff.js';
import { knorm } from './knorm.js';
import { kvcompose } from './kvcompose.js';
import { kvzip } from './kvzip.js';
import { lagkv } from './lagkv.js';
import { leverage } from './leverage.js';
import { noncausalAttention } from './noncausal-attention.js';
import { observedAttention } from './observed-attention.js';
import { random } from './random.js';
import { snapkv } from './snapkv.js';
import { snapkvQuestion } from './snapkv-question.js';
import { streaming } from './streaming.js';
import { tova } from './tova.js';

export const scorings = new Registry('scoring method', [
  h2a,
  h2i,
  snapkv,
  snapkvQuestion,
  finch,
  tova,
  observedAttention,
  expectedAttention,
  kvzip,
  kvcompose,
  cap,
  compactor,
  noncausalAttention,
  leverage,
  cur,
  lagkv,
  knorm,
  keydiff,
  random,
  streaming,
]);
