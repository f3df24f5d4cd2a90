/** All tasks, by name. */
import { Registry } from '../base/registry.js';
import { continuation } from './continuation.js';
import { nanoQa } from './nano-qa.js';
import { squad } from './squad.js';
import { squality } from './squality.js';

export const tasks = new Registry('task', [nanoQa, squad, squality, continuation]);
