/** Methods that make something of another method's scores. */
import type { z } from 'zod';
import { named, type Named } from '../base/named.js';
import type { Registry } from '../base/registry.js';
import type { CompressionRequest } from './method.js';
import { defineScoring, type Ranking, type ScoringMethod, type ScoringTraits } from './scoring.js';

/** The option of a wrapper that says whose scores it takes. */
export function ofOption(registry: Registry<ScoringMethod>, usual: string): z.ZodPrefault<z.ZodType<Named>> {
  return named(registry, usual)
    .prefault({ name: usual })
    .describe(`the method whose scores are taken, by name or with options; ${usual} unless given`);
}

/** A scoring method with its options, as a wrapper's `of` names it. */
export interface Scores {
  method: ScoringMethod;
  options: Record<string, unknown>;
}

type WrapperSchema = z.ZodObject<{ of: z.ZodType<Named> }>;

/** Declares a method that makes something of the scores of one of `registry`. */
export function defineWrapper<Schema extends WrapperSchema>(
  registry: Registry<ScoringMethod>,
  wrapper: Omit<ScoringTraits<Schema>, 'needs' | 'readsQuestion' | 'scoreRows'> & {
    rank(request: CompressionRequest, of: Scores, options: z.output<Schema>): Ranking;
  },
): ScoringMethod {
  const scoresOf = ({ name, ...options }: Named): Scores => ({ method: registry.get(name), options });
  return defineScoring({
    ...wrapper,
    readsQuestion: ({ of }) => {
      const { method, options } = scoresOf(of);
      return method.readsQuestion(options);
    },
    rank: (request, options) => wrapper.rank(request, scoresOf(options.of), options),
  });
}
