/** Several datasets mixed by weights: what an adapter of the paper's is distilled on. */
import { z } from 'zod';
import { Random } from '../engine/random.js';
import type { Registry } from '../base/registry.js';
import { UserError } from '../base/errors.js';
import { Walk } from './order.js';
import { defineDataset, type Dataset, type PassageSource } from './passage.js';

/** Draws in which every set comes as often as its weight says. */
const CYCLE = 1000;

/** Whole draws of a cycle for each weight, at least one, by the largest remainders. */
export function quotas(weights: readonly number[], cycle = CYCLE): number[] {
  const total = weights.reduce((a, b) => a + b, 0);
  const exact = weights.map((weight) => (cycle * weight) / total);
  const whole = exact.map((share) => Math.max(1, Math.floor(share)));
  const rest = exact.map((share, i) => [share - whole[i]!, i] as const).sort(([a], [b]) => b - a);
  for (let i = 0, left = cycle - whole.reduce((a, b) => a + b, 0); left > 0; i++, left--)
    whole[rest[i % rest.length]![1]]!++;
  return whole;
}

interface Member {
  source: PassageSource;
  weight: number;
}

/**
 * An endless source: in every cycle of draws each member comes by its weight, in an order that the seed decides, and
 * gives its passages shuffled, all of them before one comes again. The passage of a number depends on the number
 * alone, so that training goes on anywhere.
 */
export function mix(members: readonly Member[], seed: number, block: number): PassageSource {
  const shares = quotas(members.map(({ weight }) => weight));
  const deck = shares.flatMap((share, member) => Array<number>(share).fill(member));
  const walks = members.map(
    ({ source }, i) => new Walk(source, (epoch) => new Random(`mixture/${seed}/${i}/epoch/${epoch}`)),
  );
  let known = { cycle: -1, pattern: [] as number[], before: [] as number[] };
  const patternOf = (cycle: number): typeof known => {
    if (cycle === known.cycle) return known;
    const pattern = new Random(`mixture/${seed}/cycle/${cycle}`).shuffle(deck);
    const counts = shares.map(() => 0);
    known = { cycle, pattern, before: pattern.map((member) => counts[member]!++) };
    return known;
  };
  return {
    size: Infinity,
    get: (index) => {
      const draw = Math.floor(index / block);
      const cycle = Math.floor(draw / deck.length);
      const { pattern, before } = patternOf(cycle);
      const place = draw % deck.length;
      const member = pattern[place]!;
      const drawn = cycle * shares[member]! + before[place]!;
      const { source } = members[member]!;
      return source.get(walks[member]!.at(drawn * block + (index % block)));
    },
  };
}

/** The dataset `mixture` of any of `known` that has a training split. */
export function defineMixture(known: Registry<Dataset>): Dataset {
  const sets = known
    .list()
    .filter(({ splits }) => splits.includes('train'))
    .map(({ name, summary, options }) =>
      options.extend({
        name: z.literal(name).describe(summary),
        weight: z
          .number()
          .positive()
          .default(1)
          .describe('share of the draws, compared with the other weights'),
      }),
    );
  const set = z.discriminatedUnion('name', sets as unknown as [z.ZodObject<{ name: z.ZodLiteral<string> }>]);
  return defineDataset({
    name: 'mixture',
    summary: 'Several datasets mixed by weights (training)',
    reference: 'KV-Distill section 4',
    version: 1,
    splits: ['train'],
    options: z.strictObject({
      sets: z.array(set).min(1).describe('names of datasets with their weights and options'),
      seed: z.int().min(0).default(1).describe('seed of the order'),
      block: z.int().min(1).default(1).describe('passages of one set in a row'),
    }),
    open: ({ sets: chosen, seed, block }, split) => {
      const members = (chosen as ({ name: string; weight: number } & Record<string, unknown>)[]).map(
        ({ name, weight, ...options }): Member => ({ source: known.get(name).open(options, split), weight }),
      );
      const empty = members.findIndex(({ source }) => source.size === 0);
      if (empty >= 0)
        throw new UserError('no-records', `dataset ${chosen[empty]!.name} of the mixture is empty`);
      return mix(members, seed, block);
    },
  });
}
