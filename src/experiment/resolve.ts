/** From a file to immutable, hashed experiments: the one door through which YAML enters. */
import { hashOf, sha256 } from '../base/hash.js';
import { UserError } from '../base/errors.js';
import { adapterHash, hasAdapter } from '../methods/adapter-files.js';
import { methods } from '../methods/index.js';
import { applySets } from './overrides.js';
import { check } from './problems.js';
import { experimentSchema, pretrainSchema, type Experiment, type PretrainExperiment } from './schema.js';
import { applyCombination, combinations } from './sweep.js';
import { unusualValidation } from './validation.js';
import { loadYaml, type Places } from './yaml.js';

export interface LoadedExperiment {
  /** Where it was read. */
  file: string;
  /** Hash of everything that changes results. */
  hash: string;
  experiment: Experiment;
}

export interface LoadedPretrain {
  file: string;
  hash: string;
  experiment: PretrainExperiment;
}

function freeze<T>(value: T): T {
  if (value !== null && typeof value === 'object') {
    Object.values(value).forEach(freeze);
    Object.freeze(value);
  }
  return value;
}

/** An entry of `evaluation.methods` without options of its own takes those of `method`. */
function inheritOptions(value: Record<string, unknown>): Record<string, unknown> {
  const method = value.method as { name?: string } | undefined;
  const evaluation = value.evaluation as { methods?: unknown } | undefined;
  if (method === undefined || !Array.isArray(evaluation?.methods)) return value;
  const name = method.name ?? 'kvd';
  const methods = evaluation.methods.map((entry: unknown) => (entry === name ? { ...method, name } : entry));
  return { ...value, evaluation: { ...evaluation, methods } };
}

/** A plain value as a checked, frozen experiment. */
export function parseExperiment(value: Record<string, unknown>, where: string, places?: Places): Experiment {
  const known = places ?? new Map([['', where]]);
  check(experimentSchema, value, known);
  return freeze(check(experimentSchema, inheritOptions(value), known));
}

function parentHash(method: string, folder: string): string {
  const { trainable } = methods.get(method);
  return trainable !== undefined && hasAdapter(folder) ? adapterHash(trainable, folder) : 'missing';
}

/** What training depends on: two experiments with the same hash train the same adapter. */
export function trainingHash(experiment: Experiment): string {
  const { seed, model, method, training, data } = experiment;
  const {
    output_dir: _folder,
    save_steps: _saves,
    init_adapter,
    eval_task: _task,
    eval_task_options: _taskOptions,
    ...numbers
  } = training ?? ({ output_dir: '', save_steps: 0 } as Partial<NonNullable<Experiment['training']>>);
  return hashOf({
    seed,
    model,
    method,
    training: numbers,
    data,
    validation: unusualValidation(experiment),
    // The weights that it goes on from, wherever they lie.
    parent: init_adapter === undefined ? undefined : parentHash(method.name, init_adapter),
  });
}

function experimentHash({ name: _name, description: _description, ...rest }: Experiment): string {
  return hashOf({ ...rest, training: rest.training === undefined ? null : trainingHash(rest as Experiment) });
}

/** The experiments that a file stands for: one, or as many as its sweep has combinations. */
export function loadExperiments(file: string, sets: readonly string[] = []): LoadedExperiment[] {
  const { value, places } = loadYaml(file);
  if (value.kind === 'pretrain') {
    throw new UserError('wrong-kind', 'describes a pre-training', {
      where: file,
      hint: `Run: kvd pretrain ${file}`,
    });
  }
  const { sweep, launcher: _launcher, ...whole } = applySets(value, places, sets);
  const all = combinations(sweep, places.get('sweep') ?? file);
  return all.map((combination) => {
    const varied = applyCombination(whole, combination);
    if (all.length > 1)
      varied.name = `${String(whole.name)}-${sha256(JSON.stringify(combination)).slice(0, 6)}`;
    for (const path of Object.keys(combination))
      places.set(path, places.get(`sweep.${path}`) ?? places.get('sweep') ?? file);
    const experiment = parseExperiment(varied, file, places);
    return { file, hash: experimentHash(experiment), experiment };
  });
}

/** A pre-training experiment. */
export function loadPretrain(file: string, sets: readonly string[] = []): LoadedPretrain {
  const { value, places } = loadYaml(file);
  if (value.kind !== 'pretrain') {
    throw new UserError('wrong-kind', 'describes no pre-training', {
      where: file,
      hint: `Run: kvd train ${file}`,
    });
  }
  const experiment = freeze(check(pretrainSchema, applySets(value, places, sets), places));
  const { name: _name, description: _description, ...rest } = experiment;
  return { file, hash: hashOf({ ...rest, model: { ...rest.model, output: null } }), experiment };
}
