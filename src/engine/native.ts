/** Where the native engine lives once `kvd setup` has built it. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { cacheDir } from '../base/paths.js';

export const TENSORFLOW_VERSION = '2.21.0';
/** Goes up when setup builds something else from the same versions, so that older engines are built anew. */
const RECIPE = 20;
export const ADDON_PACKAGE = '@tensorflow/tfjs-node-gpu';

/** `gpu` carries CUDA kernels and works without a GPU too. */
export type Flavour = 'cpu' | 'gpu';

const require = createRequire(import.meta.url);

/** Folder of the installed npm package whose addon is compiled; undefined where npm left it out. */
export function addonPackageFolder(): string | undefined {
  try {
    return join(require.resolve(`${ADDON_PACKAGE}/package.json`), '..');
  } catch {
    return undefined;
  }
}

/** Folder of a finished engine of this flavour, for this platform and these versions. */
export function engineFolder(flavour: Flavour): string {
  return join(
    cacheDir(),
    'engine',
    `tensorflow-${flavour}-${TENSORFLOW_VERSION}-${process.platform}-${process.arch}-${RECIPE}`,
  );
}

/** The compiled addon inside an engine's folder. */
export function addonPath(folder: string): string {
  return join(folder, 'lib', 'napi-v8', 'tfjs_binding.node');
}

/** The addon beside it that sees signals (engine/signals). */
export function signalsAddonPath(folder: string): string {
  return join(dirname(addonPath(folder)), 'kvd_signals.node');
}

/** The engine to use: the GPU build where it was set up, else the CPU build, else none. */
export function installedEngine(): { flavour: Flavour; folder: string } | undefined {
  for (const flavour of ['gpu', 'cpu'] as const) {
    const folder = engineFolder(flavour);
    if (existsSync(addonPath(folder))) return { flavour, folder };
  }
  return undefined;
}
