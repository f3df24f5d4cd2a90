/** In which order passages are taken: by seed, each once an epoch. */
import type { Random } from '../engine/random.js';
import type { PassageSource } from './passage.js';
import { startsOf } from './rows/rows.js';

/** Stretches whose passages are mixed with one another. */
const MIXED_STRETCHES = 8;

/** Fisher-Yates, in place, on [from, to): the draws of `Random.shuffle`. */
function shuffleRange(order: Uint32Array, from: number, to: number, random: Random): void {
  for (let i = to - from - 1; i > 0; i--) {
    const j = random.int(i + 1);
    [order[from + i], order[from + j]] = [order[from + j]!, order[from + i]!];
  }
}

/**
 * The numbers of all passages of a finite source, shuffled, 4 bytes a passage. Where passages come in stretches that
 * are read at once, the stretches are shuffled, and the passages of each eight that follow one another.
 */
export function epochOrder({ size, stretches }: PassageSource, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: size }, (_, i) => i);
  if (stretches === undefined) {
    shuffleRange(order, 0, size, random);
    return order;
  }
  const starts = startsOf(stretches);
  const shuffled = random.shuffle([...stretches.keys()]);
  let at = 0;
  for (let first = 0; first < shuffled.length; first += MIXED_STRETCHES) {
    const begin = at;
    for (const stretch of shuffled.slice(first, first + MIXED_STRETCHES)) {
      for (let passage = starts[stretch]!; passage < starts[stretch + 1]!; passage++) order[at++] = passage;
    }
    shuffleRange(order, begin, at, random);
  }
  return order;
}

/** Where the passage number `cursor` of an endless walk through `source` is found; keeps one epoch's order. */
export class Walk {
  private epoch = -1;
  private order: Uint32Array = new Uint32Array();

  /** @param randomOf the generator that shuffles an epoch */
  constructor(
    private readonly source: PassageSource,
    private readonly randomOf: (epoch: number) => Random,
  ) {}

  /** The cursor itself where the source never ends. */
  at(cursor: number): number {
    const { size } = this.source;
    if (size === Infinity) return cursor;
    const epoch = Math.floor(cursor / size);
    if (epoch !== this.epoch) {
      this.order = epochOrder(this.source, this.randomOf(epoch));
      this.epoch = epoch;
    }
    return this.order[cursor % size]!;
  }
}
