/** The paper's own numbers. */
import { join } from 'node:path';
import { z } from 'zod';
import { readJson } from '../base/files.js';
import { packageRoot } from '../base/paths.js';

const schema = z.looseObject({
  source: z.string(),
  table2_squad: z.looseObject({
    rows: z.array(
      z.object({
        model: z.string(),
        method: z.string(),
        retention: z.number(),
        value: z.number(),
        stderr: z.number(),
      }),
    ),
  }),
});

export type Published = z.output<typeof schema>;

export function readPublished(): Published {
  return schema.parse(readJson(join(packageRoot, 'results', 'published.json')));
}
