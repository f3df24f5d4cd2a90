/** The decoder families that kvd can read, by `model_type` of config.json. */
import { Registry } from '../../base/registry.js';
import { gemma2 } from './gemma2.js';
import { llama } from './llama.js';
import { mistral } from './mistral.js';
import { phi3 } from './phi3.js';
import { qwen2 } from './qwen2.js';
import { qwen3 } from './qwen3.js';

export const architectures = new Registry('architecture', [llama, mistral, gemma2, qwen2, qwen3, phi3]);
