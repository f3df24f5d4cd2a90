/** Where kvd keeps things: the package's own folder, the user's cache and the user's data. */
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that holds package.json, whether run from `src/` or `dist/`. */
export const packageRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** `$XDG_CACHE_HOME/kvd`: what can be fetched or built again, such as the tensor engine. */
export function cacheDir(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'kvd');
}
