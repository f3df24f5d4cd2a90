/**
 * The public API: KV-cache compression without the command line. `loadModel`, `loadAdapter`, `compress`, `saveCache`,
 * `loadCache` and `ask` are all that most programs need (docs/api.md); below them, decoders, caches and methods are there
 * one by one.
 */
export { loadAdapter, loadModel, type LoadedModel } from './workflows/session.js';
export type { LoadedAdapter } from './contexts/adapter.js';
export { ask, askStream, compress, type AskOptions, type CompressOptions } from './contexts/api.js';
export {
  contextSize,
  disposeContext,
  type CompressedContext,
  type ContextInfo,
  type ContextSize,
} from './contexts/context.js';
export type { DocumentInput, Span } from './contexts/documents.js';
export { explain, type Explanation } from './contexts/explain.js';
export { loadContext as loadCache, readContextInfo, saveContext as saveCache } from './contexts/file.js';
export type { ContextModel } from './contexts/model.js';

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
