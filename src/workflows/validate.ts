/** `kvd validate`: every problem of every file. */
import { readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { UserError } from '../base/errors.js';
import { fileError } from '../base/files.js';
import { checkExperiment } from '../experiment/check.js';
import { loadExperiments, loadPretrain } from '../experiment/resolve.js';
import { loadYaml } from '../experiment/yaml.js';
import { parseModelConfig } from '../models/config.js';

export interface Validation {
  file: string;
  problems: string[];
  warnings: string[];
  summary: string;
}

/** YAML files below `path`; those whose names start with `_` are bases and are not run by themselves. */
export function experimentFiles(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path, { recursive: true, encoding: 'utf8' }).sort();
    return names
      .filter((name) => /\.ya?ml$/.test(name) && !basename(name).startsWith('_'))
      .map((name) => join(path, name));
  } catch (error) {
    throw fileError(error, path);
  }
}

function validate(file: string, sets: readonly string[]): Validation {
  try {
    const { value, warnings } = loadYaml(file);
    if (value.kind === 'pretrain') {
      const { experiment } = loadPretrain(file, sets);
      parseModelConfig({ ...experiment.model.config, vocab_size: 64 }, `${file}: model.config`);
      return { file, problems: [], warnings, summary: `pre-training ${experiment.name}` };
    }
    const loaded = loadExperiments(file, sets);
    const problems = [...new Set(loaded.flatMap(checkExperiment))];
    return {
      file,
      problems,
      warnings,
      summary: `${loaded.length} experiment${loaded.length === 1 ? '' : 's'}`,
    };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { file, problems: error.describe().split('\n'), warnings: [], summary: '' };
  }
}

export function validateFiles(paths: readonly string[], sets: readonly string[]): Validation[] {
  return paths.flatMap(experimentFiles).map((file) => validate(file, sets));
}
