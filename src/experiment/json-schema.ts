/** The JSON Schema of experiment files, for editors. */
import { z } from 'zod';
import { launcherSchema } from './launcher.js';
import { experimentSchema, pretrainSchema } from './schema.js';

/** Schema of what may be written (defaults left out), with `extends`, `sweep` and `launcher`. */
export function configSchema(): object {
  const extra = { extends: z.string().optional().describe('a file that this one builds upon') };
  const sweep = {
    sweep: z.record(z.string(), z.array(z.unknown())).optional().describe('a matrix over any keys'),
    launcher: launcherSchema.optional().describe('how `kvd sweep` runs it; changes no result'),
  };
  const both = z.union([
    z.strictObject({ ...experimentSchema.shape, ...extra, ...sweep }).partial(),
    z.strictObject({ ...pretrainSchema.shape, ...extra }).partial(),
  ]);
  return z.toJSONSchema(both, { io: 'input', unrepresentable: 'any' });
}
