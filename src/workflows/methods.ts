/** The compression methods with what they need, for lists. */
import type { z } from 'zod';
import { methods } from '../methods/index.js';

export interface MethodEntry {
  name: string;
  summary: string;
  reference: string;
  /** What it must be given beside the contexts. */
  needs: string[];
  /** Options with what they say and what they are unless given. */
  options: { name: string; description: string; default?: unknown }[];
  /** Its name in kvpress, where reference files of kvpress's can check it. */
  kvpress?: string;
}

export function listMethods(): MethodEntry[] {
  return methods.list().map(({ name, summary, reference, needs, options, kvpress }) => ({
    name,
    summary,
    reference,
    needs: [
      ...Object.entries(needs).flatMap(([need, needed]) => (needed ? [need] : [])),
      ...('of' in options.shape ? ['scores of another method'] : []),
    ],
    options: (Object.entries(options.shape) as [string, z.ZodType][]).map(([option, schema]) => {
      const usual = schema.safeParse(undefined);
      return {
        name: option,
        description: schema.description ?? '',
        ...(usual.success && usual.data !== undefined && { default: usual.data }),
      };
    }),
    ...(kvpress && { kvpress: kvpress.press }),
  }));
}
