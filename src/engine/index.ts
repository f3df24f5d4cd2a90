/** Starts a tensor engine; everything else is written against @tensorflow/tfjs-core. */
import { availableParallelism } from 'node:os';
import { Registry } from '../base/registry.js';
import type { Engine } from './engine.js';
import { installedEngine, TENSORFLOW_VERSION } from './native.js';
import { tensorflow } from './tensorflow.js';
import { wasm } from './wasm.js';

export const engines = new Registry<Engine>('engine', [tensorflow, wasm]);

/** What a run records of the engine it used. */
export interface EngineInfo {
  name: string;
  device: string;
  threads: number;
  libtensorflow: string | null;
}

let started: Promise<EngineInfo> | undefined;

async function start(preference: string): Promise<EngineInfo> {
  let engine = preference === 'auto' ? engines.get('tensorflow') : engines.get(preference);
  const probe = await engine.probe();
  if (!probe.available && preference === 'auto') {
    process.stderr.write(`kvd: using wasm, which is slow: ${probe.reason}. Run \`${probe.remedy}\`.\n`);
    engine = engines.get('wasm');
  }
  await engine.start();
  const native = engine.name === 'tensorflow';
  return {
    name: engine.name,
    device: engine.device(),
    threads: native ? availableParallelism() : 1,
    libtensorflow: native && installedEngine() !== undefined ? TENSORFLOW_VERSION : null,
  };
}

/**
 * Starts the engine once a process: `tensorflow`, `wasm`, or `auto` (native where it is set up, else wasm
 * with a one-line notice). The environment variable KVD_ENGINE sets the default.
 */
export function startEngine(preference = process.env.KVD_ENGINE ?? 'auto'): Promise<EngineInfo> {
  started ??= start(preference);
  return started;
}
