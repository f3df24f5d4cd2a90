/** The `launcher` section of an experiment file: how its sweep is run, which changes no result. */
import { z } from 'zod';
import { applySets } from './overrides.js';
import { check } from './problems.js';
import { loadYaml } from './yaml.js';

/** Letters that sbatch takes in a value; nothing that a shell or another directive could read otherwise. */
const word = z.string().regex(/^[\w.:,=+/-]+$/, 'letters, digits and . : , = + / - only');

export const launcherSchema = z.strictObject({
  slurm: z
    .strictObject({
      partition: word.optional().describe('partition (sbatch --partition)'),
      account: word.optional().describe('account (sbatch --account)'),
      gpus: z.int().min(0).optional().describe('GPUs of a task (sbatch --gpus)'),
      cpus: z.int().min(1).optional().describe('cores of a task (sbatch --cpus-per-task)'),
      time: word
        .optional()
        .describe('time limit of a task, such as 04:00:00; it is queued again when it is up'),
      memory: word.optional().describe('memory of a task, such as 16G (sbatch --mem)'),
      at_once: z.int().min(1).optional().describe('most tasks at once'),
      warning_seconds: z
        .int()
        .min(10)
        .default(90)
        .describe('seconds before the time limit at which a task saves and is queued again'),
    })
    .prefault({})
    .describe('what `kvd sweep --launcher slurm` asks of Slurm'),
});
export type LauncherOptions = z.output<typeof launcherSchema>;

/** The launcher section of a file; its defaults where there is none. */
export function loadLauncher(file: string, sets: readonly string[] = []): LauncherOptions {
  const { value, places } = loadYaml(file);
  const { launcher = {} } = applySets(value, places, sets);
  const under = new Map(
    [...places].flatMap(([path, place]) =>
      path === 'launcher' || path.startsWith('launcher.')
        ? [[path.slice('launcher.'.length), place] as const]
        : [],
    ),
  );
  return check(launcherSchema, launcher as Record<string, unknown>, new Map([['', file], ...under]));
}
