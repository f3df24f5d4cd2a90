/** All datasets, by name. */
import { Registry } from '../base/registry.js';
import { nano } from './nano/index.js';
import { squad } from './squad.js';
import { squality } from './squality.js';

export const datasets = new Registry('dataset', [nano, squad, squality]);
