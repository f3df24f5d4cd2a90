/** What can be checked of an experiment without running it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../base/errors.js';
import { packageRoot } from '../base/paths.js';
import { nearest } from '../base/suggest.js';
import { datasets } from '../data/index.js';
import { snapshotFolder } from '../hub/cache.js';
import { looksLikeRepository, parseRepository, repositoryName } from '../hub/repository.js';
import { hasAdapter } from '../methods/adapter-files.js';
import { readModelConfig, type ModelConfig } from '../models/config.js';
import { tasks } from '../tasks/index.js';
import type { Task } from '../tasks/task.js';
import { describedConfig } from './described-models.js';
import type { LoadedExperiment } from './resolve.js';
import type { Experiment } from './schema.js';

/** The folder that a model's name or path means: an existing folder, a shipped model, or a pulled one. */
export function resolveModel(nameOrPath: string): string {
  const shipped = join(packageRoot, 'models', 'nano', nameOrPath);
  const candidates = [nameOrPath, join(packageRoot, nameOrPath), shipped];
  const found = candidates.find((folder) => existsSync(join(folder, 'config.json')));
  if (found !== undefined) return found;
  if (looksLikeRepository(nameOrPath)) {
    const repository = parseRepository(nameOrPath, 'model');
    const pulled = snapshotFolder(repository);
    if (pulled !== undefined && existsSync(join(pulled, 'config.json'))) return pulled;
    throw new UserError(
      'not-pulled',
      `no model "${nameOrPath}": no such folder, and it has not been pulled`,
      {
        hint: `Run: kvd models pull ${repositoryName(repository)}`,
      },
    );
  }
  throw new UserError(
    'unknown-model',
    `no model "${nameOrPath}": no folder with a config.json, and none is shipped by that name`,
    {
      hint: 'Name a folder in Hugging Face format, a model that `kvd models list` shows, or org/name of the hub.',
    },
  );
}

/** A model's configuration and, unless it is one that kvd only describes because it has not been pulled, its folder. */
export function configOf(nameOrPath: string): { config: ModelConfig; folder?: string } {
  try {
    const folder = resolveModel(nameOrPath);
    return { config: readModelConfig(folder), folder };
  } catch (error) {
    const config = describedConfig(nameOrPath);
    if (!(error instanceof UserError) || error.code !== 'not-pulled' || config === undefined) throw error;
    return { config };
  }
}

function modelProblems(loaded: LoadedExperiment): string[] {
  const { model, method } = loaded.experiment;
  try {
    const { config, folder } = configOf(model.name_or_path);
    const { numLayers } = config;
    const missing =
      folder === undefined || existsSync(join(folder, 'tokenizer.json')) ? [] : ['tokenizer.json'];
    const eta = method.eta;
    return [
      ...missing.map((name) => `model ${folder} has no ${name}`),
      ...(typeof eta === 'number' && eta > numLayers && loaded.experiment.training !== undefined
        ? [`method.eta is ${eta}, but the model has ${numLayers} layers`]
        : []),
    ];
  } catch (error) {
    if (error instanceof UserError) return [error.describe()];
    throw error;
  }
}

function optionProblems(task: Task, options: Record<string, unknown>, where: string): string[] {
  const parsed = task.options.safeParse(options);
  if (parsed.success) return [];
  return parsed.error.issues.map((issue) => `${where}.${issue.path.join('.')}: ${issue.message}`);
}

/** Problems of what is to be evaluated; empty where all is well. */
export function evaluationProblems(evaluation: NonNullable<Experiment['evaluation']>): string[] {
  const task = tasks.get(evaluation.task);
  const problems: string[] = [];
  if (!task.splits.includes(evaluation.split)) {
    const near = nearest(evaluation.split, task.splits);
    problems.push(
      `task ${task.name} has no split "${evaluation.split}" (${near === undefined ? '' : `did you mean "${near}"? `}it has ${task.splits.join(', ')})`,
    );
  }
  problems.push(...optionProblems(task, evaluation.task_options, 'evaluation.task_options'));
  if (!evaluation.intrinsic && task.metrics.length === 0) {
    problems.push(`evaluation.intrinsic is false, but task ${task.name} measures nothing else`);
  }
  const { data: path } = evaluation.task_options;
  if (typeof path === 'string' && !existsSync(path)) problems.push(`${path}: no such file or folder`);
  return problems;
}

/** Problems of names, files, sizes and splits; empty where all is well. */
export function checkExperiment(loaded: LoadedExperiment): string[] {
  const { training, data, evaluation } = loaded.experiment;
  const problems = modelProblems(loaded);
  if (training !== undefined) {
    if (training.retention_min > training.retention_max) {
      problems.push('training.retention_min is greater than training.retention_max');
    }
    if ((training.fold_warmup_steps === undefined) !== (training.fold_warmup_tokens === undefined))
      problems.push('training.fold_warmup_steps and training.fold_warmup_tokens are given together');
    if ((training.fold_warmup_tokens ?? 0) > (training.fold_tokens ?? Infinity))
      problems.push('training.fold_warmup_tokens is greater than training.fold_tokens');
    if (!datasets.get(data.name).splits.includes('train'))
      problems.push(`dataset ${data.name} has no split train`);
    if (training.init_adapter !== undefined && !hasAdapter(training.init_adapter))
      problems.push(`training.init_adapter: ${training.init_adapter} holds no adapter`);
    if (training.eval_task !== undefined) {
      const task = tasks.get(training.eval_task);
      if (!task.splits.includes('validation')) problems.push(`task ${task.name} has no split validation`);
      problems.push(...optionProblems(task, training.eval_task_options ?? {}, 'training.eval_task_options'));
    }
  }
  if (evaluation !== undefined) problems.push(...evaluationProblems(evaluation));
  return problems.map((problem) => `${loaded.file}: ${problem}`);
}
