/** A model made ready, and the name and hash that tell it from others. */
import type { Decoder } from '../models/decoder.js';
import type { Tokenizer } from '../models/tokenizer.js';

/** What contexts are made and asked with; `loadModel` gives one. */
export interface ContextModel {
  /** As it was named: a shipped model, or a folder. */
  name: string;
  /** SHA-256 over configuration and weights (see identity.ts). */
  hash: string;
  model: Decoder;
  tokenizer: Tokenizer;
}
