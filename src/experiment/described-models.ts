/** Models whose configuration kvd ships, so that they can be planned and checked before they are pulled. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readJson } from '../base/files.js';
import { packageRoot } from '../base/paths.js';
import { parseModelConfig, type ModelConfig } from '../models/config.js';

/** Configuration of `org/name` as kvd ships it; undefined where it does not. */
export function describedConfig(name: string): ModelConfig | undefined {
  const file = `${name.split('@')[0]!.replace('/', '--')}.json`;
  const path = join(packageRoot, 'experiments', 'paper', 'models', file);
  return existsSync(path) ? parseModelConfig(readJson(path), path) : undefined;
}
