/** Models whose configuration kvd ships, so that they can be planned before they are pulled. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../base/errors.js';
import { readJson } from '../base/files.js';
import { packageRoot } from '../base/paths.js';
import { parseModelConfig, readModelConfig, type ModelConfig } from '../models/config.js';
import { resolveModel } from './check.js';

/** config.json of `org/name` as kvd ships it; undefined where it does not. */
function describedPath(name: string): string | undefined {
  const file = `${name.split('@')[0]!.replace('/', '--')}.json`;
  const path = join(packageRoot, 'experiments', 'paper', 'models', file);
  return existsSync(path) ? path : undefined;
}

/** Configuration of a model that is here or, where it is not, of one that kvd describes. */
export function configOf(nameOrPath: string): { config: ModelConfig; here: boolean } {
  try {
    return { config: readModelConfig(resolveModel(nameOrPath)), here: true };
  } catch (error) {
    const path = describedPath(nameOrPath);
    if (!(error instanceof UserError) || error.code !== 'not-pulled' || path === undefined) throw error;
    return { config: parseModelConfig(readJson(path), path), here: false };
  }
}
