/** The paper's own numbers. */
import { join } from 'node:path';
import { z } from 'zod';
import { readJson } from '../base/files.js';
import { packageRoot } from '../base/paths.js';

const rows = <Shape extends z.ZodRawShape>(shape: Shape): z.ZodArray<z.ZodObject<Shape>> =>
  z.array(z.object(shape));

const schema = z.object({
  source: z.string(),
  table1_lengths: z.looseObject({
    rows: rows({ dataset: z.string(), average: z.number(), max: z.number() }),
  }),
  table2_squad: z.looseObject({
    rows: rows({
      model: z.string(),
      method: z.string(),
      retention: z.number(),
      value: z.number(),
      stderr: z.number(),
    }),
  }),
  table3_govreport: z.looseObject({
    model: z.string(),
    columns: z.array(z.string()),
    rows: rows({ retention: z.number(), values: z.array(z.number()) }),
  }),
  table4_hyperparameters: z.record(z.string(), z.union([z.string(), z.number()])),
  table5_ablation: z.looseObject({
    model: z.string(),
    retention: z.number(),
    rows: rows({ loss: z.string(), value: z.number() }),
  }),
  figure3_needle: z.looseObject({ text: z.string() }),
  figure4_quality: z.looseObject({
    retentions: z.array(z.number()),
    at_zero_retention: z.record(z.string(), z.number()),
    text: z.string(),
  }),
  figure5_squality: z.looseObject({ text: z.string() }),
});

export type Published = z.output<typeof schema>;

export function readPublished(): Published {
  return schema.parse(readJson(join(packageRoot, 'results', 'published.json')));
}
