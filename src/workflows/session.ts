/** A model made ready: engine started, weights and tokenizer loaded. */
import { UserError } from '../base/errors.js';
import { loadAdapterFolder, shippedAdapter, type LoadedAdapter } from '../contexts/adapter.js';
import { modelHash } from '../contexts/identity.js';
import type { ContextModel } from '../contexts/model.js';
import { resolveModel } from '../experiment/check.js';
import { startEngine, type EngineInfo } from '../engine/index.js';
import { loadDecoder } from '../models/checkpoint.js';
import type { Decoder } from '../models/decoder.js';
import { loadTokenizer, type Tokenizer } from '../models/tokenizer.js';

export interface Session {
  engine: EngineInfo;
  model: Decoder;
  tokenizer: Tokenizer;
  /** Folder of the model. */
  folder: string;
}

/** Loads the model that an experiment names: a folder, or a shipped model. */
export async function openSession(nameOrPath: string): Promise<Session> {
  const folder = resolveModel(nameOrPath);
  const tokenizer = loadTokenizer(folder);
  const engine = await startEngine();
  return { engine, model: loadDecoder(folder), tokenizer, folder };
}

/** A session whose model is told from others by its hash. */
export interface LoadedModel extends Session, ContextModel {
  /** Frees the weights. */
  dispose(): void;
}

/**
 * The adapter in `folder`, or the one of kvd that ships with the model. A folder that holds none, or one that was made
 * for another model, is a UserError.
 */
export function loadAdapter(model: LoadedModel, folder?: string): LoadedAdapter {
  const found = folder ?? shippedAdapter(model.folder, 'kvd');
  if (found !== undefined) return loadAdapterFolder(found, model.model.config);
  throw new UserError('no-adapter', 'no adapter ships with this model', {
    where: model.folder,
    hint: 'Name the folder of one, or train one with `kvd train`.',
  });
}

/**
 * Starts the engine and loads a model to compress and ask contexts with: a shipped model by name, or a folder in Hugging Face
 * format. Weights are float32, whatever they are stored as. A folder that is missing or damaged is a UserError.
 */
export async function loadModel(nameOrPath: string): Promise<LoadedModel> {
  const session = await openSession(nameOrPath);
  return {
    ...session,
    name: nameOrPath,
    hash: modelHash(session.folder),
    dispose: () => session.model.dispose(),
  };
}
