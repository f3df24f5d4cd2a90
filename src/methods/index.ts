/** All compression methods, by name. */
import { Registry } from '../base/registry.js';
import { adakv } from './adakv.js';
import { block } from './block.js';
import { chunk } from './chunk.js';
import { chunkkv } from './chunkkv.js';
import { criticaladakv } from './criticaladakv.js';
import { criticalkv } from './criticalkv.js';
import { dodo } from './dodo.js';
import { entropyChunkkv } from './entropy-chunkkv.js';
import { full } from './full.js';
import { icae } from './icae.js';
import { keyRerotation } from './key-rerotation.js';
import { kvd } from './kvd.js';
import { merging } from './merging.js';
import type { Method } from './method.js';
import { none } from './none.js';
import { pyramidkv } from './pyramidkv.js';
import { scorings } from './scorings.js';

/** `list()`, `names()`, and `get(name)`, for which an unknown name is a UserError with suggestions. */
export const methods = new Registry<Method>('method', [
  full,
  kvd,
  dodo,
  icae,
  ...scorings.list(),
  pyramidkv,
  adakv,
  criticalkv,
  criticaladakv,
  chunkkv,
  entropyChunkkv,
  chunk,
  block,
  keyRerotation,
  merging,
  none,
]);
