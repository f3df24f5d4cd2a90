/** The JSON Schema of experiment files, for editors. */
import { z } from 'zod';
import { experimentSchema, pretrainSchema } from './schema.js';

/** Schema of what may be written (defaults left out), with `extends` and `sweep`. */
export function configSchema(): object {
  const extra = { extends: z.string().optional().describe('a file that this one builds upon') };
  const sweep = {
    sweep: z.record(z.string(), z.array(z.unknown())).optional().describe('a matrix over any keys'),
  };
  const both = z.union([
    z.strictObject({ ...experimentSchema.shape, ...extra, ...sweep }).partial(),
    z.strictObject({ ...pretrainSchema.shape, ...extra }).partial(),
  ]);
  return z.toJSONSchema(both, { io: 'input', unrepresentable: 'any' });
}
