/** A shipped model with its adapter, and documents in its words, for tests of compressed contexts. */
import { adapterHash } from '../../src/methods/adapter-files.js';
import type { Compressor } from '../../src/contexts/compress.js';
import { methods } from '../../src/methods/index.js';
import { loadModel, type LoadedModel } from '../../src/workflows/session.js';

export const document =
  'The color of Yusuf Silva is amber. For Mina Nolan the job is tailor. The metal of Quiet Hammer is mercury.';
export const more = 'For Twin Ladder the color is olive.';
export const questions = ['what is the color of Yusuf Silva?', 'what is the job of Mina Nolan?'];

/** llama-small and the way it compresses by `method`, with the adapter that ships. */
export async function shipped(method = 'kvd'): Promise<{ model: LoadedModel; compressor: Compressor }> {
  const model = await loadModel('llama-small');
  const { trainable } = methods.get(method);
  if (trainable === undefined) return { model, compressor: { method: methods.get(method) } };
  const folder = `${model.folder}/${method}-adapter`;
  const adapter = trainable.load(folder, model.model.config);
  const hash = adapterHash(trainable, folder);
  return { model, compressor: { method: methods.get(method), adapter: { adapter, hash } } };
}
