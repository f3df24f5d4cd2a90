/** The models that kvd ships. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../base/paths.js';
import { readModelConfig } from '../models/config.js';
import { openCheckpoint } from '../models/safetensors.js';

export interface ShippedModel {
  name: string;
  folder: string;
  architecture: string;
  layers: number;
  parameters: number;
}

export function shippedModels(): ShippedModel[] {
  const root = join(packageRoot, 'models', 'nano');
  if (!existsSync(root)) return [];
  const names = readdirSync(root).filter((name) => existsSync(join(root, name, 'model.safetensors')));
  return names.sort().map((name) => {
    const folder = join(root, name);
    const config = readModelConfig(folder);
    const source = openCheckpoint(folder);
    const sizes = source.names().map((tensor) => source.info(tensor).shape.reduce((a, b) => a * b, 1));
    source.close();
    return {
      name,
      folder,
      architecture: config.architecture,
      layers: config.numLayers,
      parameters: sizes.reduce((a, b) => a + b, 0),
    };
  });
}
