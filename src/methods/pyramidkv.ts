/** PyramidKV: lower layers keep more rows than upper ones. */
import { z } from 'zod';
import { roundHalfToEven } from '../base/rounding.js';
import { scorings } from './scorings.js';
import { defineWrapper, ofOption } from './wrapper.js';

/**
 * Rows that each layer keeps of `length`, where `asked` are asked for on average: falling from layer to layer by equal
 * steps, down to 1/β of the average and no less than the window. Where that cannot be, all keep the same.
 * (kvpress's PyramidKVPress, Python's rounding.)
 */
export function pyramidBudgets(
  length: number,
  asked: number,
  layers: number,
  { window_size, beta }: { window_size: number; beta: number },
): number[] {
  let least = asked / beta;
  let most = 2 * asked - least;
  if (most >= length - window_size) {
    most = length - window_size;
    least = 2 * asked - most;
  }
  const possible = layers > 1 && length >= most && most >= least && least >= window_size;
  return Array.from({ length: layers }, (_, layer) => {
    const rows = possible ? most - (layer * (most - least)) / (layers - 1) : asked;
    return Math.min(length, Math.max(1, roundHalfToEven(rows)));
  });
}

export const pyramidkv = defineWrapper(scorings, {
  name: 'pyramidkv',
  summary: "More rows in lower layers than in upper ones, by another method's scores (SnapKV's)",
  reference: 'PyramidKV, arXiv 2406.02069; kvpress PyramidKVPress',
  kvpress: {
    press: 'PyramidKVPress',
    options: ({ window_size, kernel_size, beta }) => ({
      window_size,
      beta,
      of: { name: 'snapkv', window_size, kernel_size },
    }),
  },
  options: z.strictObject({
    of: ofOption(scorings, 'snapkv'),
    window_size: z.int().min(1).default(64).describe('no layer keeps fewer rows; else all keep the same'),
    beta: z.number().min(1).default(20).describe('steepness: the top layer keeps 1/β of the average'),
  }),
  rank: (request, { method, options }, given) => {
    const ranking = method.rank(request, options);
    const layers = ranking.scores.length;
    const budgets = request.contexts.map((context, row) =>
      request.kept[row]! === context.length
        ? Array.from({ length: layers }, () => context.length)
        : pyramidBudgets(context.length, (request.asked ?? request.kept)[row]!, layers, given),
    );
    return {
      ...ranking,
      counts: Array.from({ length: layers }, (_, layer) => budgets.map((own) => [own[layer]!])),
    };
  },
});
