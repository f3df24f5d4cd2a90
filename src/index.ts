/**
 * The public API: KV-cache compression without the command line. Start an engine, load a model and a
 * tokenizer, compress contexts with any method, generate from what is left. See README, "From code".
 */
export { startEngine, type EngineInfo } from './engine/index.js';
export { UserError } from './base/errors.js';
export { keptRows } from './base/rounding.js';
export { loadDecoder } from './models/checkpoint.js';
export type { Decoder } from './models/decoder.js';
export { loadTokenizer, type Tokenizer } from './models/tokenizer.js';
export { answerIds, contextIds, questionIds } from './models/prompt.js';
export { cacheTensors, disposeCache, type KvCache } from './models/cache.js';
export { greedy, type GreedyOptions } from './models/generate.js';
export { methods } from './methods/index.js';
export type { Compression, CompressionRequest, Method } from './methods/method.js';
export { disposeAdapter, type Adapter, type Trainable } from './methods/trainable.js';
export { distill, type DistillHooks, type DistillOptions } from './training/distill.js';
export { datasets } from './data/index.js';
export { tasks } from './tasks/index.js';
export { evaluate, type EvaluationRequest, type SampleResult } from './evaluation/evaluate.js';
