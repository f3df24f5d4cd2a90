/** An entry of a registry with its options, as YAML names it. */
import { z } from 'zod';
import type { Entry, Registry } from './registry.js';

type WithOptions = Entry & { readonly options: z.ZodObject };

/** The name of an entry and its options. */
export type Named = { name: string } & Record<string, unknown>;

/** `{name, …options}` for every entry of a registry; a name alone, or options alone (of `fallback`), will do. */
export function named(registry: Registry<WithOptions>, fallback?: string): z.ZodType<Named> {
  const variants = registry
    .list()
    .map((entry) => entry.options.extend({ name: z.literal(entry.name).describe(entry.summary) }).strict());
  const union = z.discriminatedUnion(
    'name',
    variants as unknown as [z.ZodObject<{ name: z.ZodLiteral<string> }>],
  );
  const complete = (value: unknown): unknown => {
    if (typeof value === 'string') return { name: value };
    const lacksName =
      value !== null && typeof value === 'object' && !('name' in value) && fallback !== undefined;
    return lacksName ? { name: fallback, ...value } : value;
  };
  return z.preprocess(complete, union) as unknown as z.ZodType<Named>;
}
