/** Experiment files loaded and checked, and evaluations described by flags alone. */
import { UserError } from '../base/errors.js';
import { hashOf } from '../base/hash.js';
import { checkExperiment } from '../experiment/check.js';
import { loadExperiments, parseExperiment, type LoadedExperiment } from '../experiment/resolve.js';

/** The experiments of a file (several where it sweeps), all checked before any work starts. */
export function loadChecked(path: string, sets: readonly string[] = []): LoadedExperiment[] {
  const loaded = loadExperiments(path, [...sets]);
  const problems = [...new Set(loaded.flatMap(checkExperiment))];
  if (problems.length > 0) {
    throw new UserError('invalid-experiment', problems.join('\n'), { where: path });
  }
  return loaded;
}

export interface EvalFlags {
  task?: string | undefined;
  data?: string | undefined;
  model?: string | undefined;
  method?: string[] | undefined;
  retention?: string[] | undefined;
  limit?: number | undefined;
  'fold-tokens'?: number | undefined;
}

/** The experiment that `kvd eval --task …` describes. */
export function adHocEvaluation(flags: EvalFlags): LoadedExperiment {
  if (flags.task === undefined) {
    throw new UserError('nothing-to-do', 'name an experiment file, or a task with --task', {
      hint: 'See `kvd eval --help`.',
    });
  }
  const experiment = parseExperiment(
    {
      name: `eval-${flags.task}`,
      model: { name_or_path: flags.model ?? 'llama-small' },
      evaluation: {
        task: flags.task,
        task_options: flags.data === undefined ? {} : { data: flags.data },
        methods: flags.method ?? ['full', 'h2a', 'h2i', 'random', 'streaming'],
        retention: (flags.retention ?? ['0.5', '0.25']).map(Number),
        ...(flags.limit !== undefined && { limit: flags.limit }),
        ...(flags['fold-tokens'] !== undefined && { fold_tokens: flags['fold-tokens'] }),
      },
    },
    'flags',
  );
  const loaded = { file: 'flags', hash: hashOf(experiment), experiment };
  const problems = checkExperiment(loaded);
  if (problems.length > 0) throw new UserError('invalid-experiment', problems.join('\n'));
  return loaded;
}
