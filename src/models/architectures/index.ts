/** The decoder families that kvd can read, by `model_type` of config.json. */
import { Registry } from '../../base/registry.js';
import { gemma2 } from './gemma2.js';
import { llama } from './llama.js';

export const architectures = new Registry('architecture', [llama, gemma2]);
