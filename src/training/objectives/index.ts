/** All training objectives, by name. */
import { Registry } from '../../base/registry.js';
import { aeLm } from './ae-lm.js';
import { kl } from './kl.js';

export const objectives = new Registry('objective', [kl, aeLm]);
