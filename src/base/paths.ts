/** Where kvd keeps things: the package's own folder, the user's cache and the user's data. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that holds package.json, whether run from `src/` or `dist/`. */
export const packageRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Version in package.json. */
export function packageVersion(): string {
  return (JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }).version;
}

/** `$XDG_CACHE_HOME/kvd`: what can be fetched or built again, such as the tensor engine. */
export function cacheDir(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'kvd');
}
