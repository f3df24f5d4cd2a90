/**
 * Seeded random numbers (xoshiro128**, Blackman and Vigna 2018, https://prng.di.unimi.it/xoshiro128starstar.c).
 * The state is four 32-bit integers, small enough to stand in a checkpoint.
 */
import { UserError } from '../base/errors.js';

const rotateLeft = (x: number, by: number): number => (x << by) | (x >>> (32 - by));

/** Four well-mixed words from text: FNV-1a over its code units, spread by splitmix32. */
function wordsOf(text: string): [number, number, number, number] {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  // A second, independent pass keeps texts apart whose first 32-bit hashes collide.
  let second = 0x9747b28c;
  for (let i = text.length - 1; i >= 0; i--) {
    second = Math.imul(rotateLeft(second ^ text.charCodeAt(i), 13), 0x85ebca6b);
  }
  const next = (offset: number): number => {
    const state = offset % 2 === 0 ? (hash = (hash + 0x9e3779b9) | 0) : (second = (second + 0x9e3779b9) | 0);
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  const words: [number, number, number, number] = [next(0), next(1), next(2), next(3)];
  if (words.every((word) => word === 0)) words[0] = 1; // the all-zero state is a fixed point
  return words;
}

export class Random {
  private words: [number, number, number, number];

  /** Equal seeds give equal streams; `7` and `'7'` are the same seed. */
  constructor(seed: number | string) {
    this.words = wordsOf(String(seed));
  }

  /** A generator that goes on exactly where the one that gave `state` stood. */
  static fromState(state: readonly number[]): Random {
    const valid =
      state.length === 4 &&
      state.every((word) => Number.isInteger(word) && word >= 0 && word <= 0xffffffff) &&
      state.some((word) => word !== 0);
    if (!valid) {
      throw new UserError(
        'bad-random-state',
        'not the state of a random generator: four 32-bit integers wanted',
      );
    }
    const random = new Random(0);
    random.words = [state[0]!, state[1]!, state[2]!, state[3]!];
    return random;
  }

  /** The whole state, for a checkpoint. */
  state(): number[] {
    return [...this.words];
  }

  /** A uniform integer in [0, 2³²). */
  uint32(): number {
    const words = this.words;
    const result = Math.imul(rotateLeft(Math.imul(words[1], 5), 7), 9) >>> 0;
    const shifted = words[1] << 9;
    words[2] = (words[2] ^ words[0]) >>> 0;
    words[3] = (words[3] ^ words[1]) >>> 0;
    words[1] = (words[1] ^ words[2]) >>> 0;
    words[0] = (words[0] ^ words[3]) >>> 0;
    words[2] = (words[2] ^ shifted) >>> 0;
    words[3] = rotateLeft(words[3], 11) >>> 0;
    return result;
  }

  /** A uniform number in [0, 1) with 53 random bits. */
  uniform(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  /** A uniform integer in [0, n). */
  int(n: number): number {
    if (!Number.isInteger(n) || n < 1) throw new Error(`Random.int: want an integer of at least 1, got ${n}`);
    return Math.floor(this.uniform() * n);
  }

  /** A standard normal number (Box-Muller; nothing is kept for the next call, so the state stays small). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** One element of a non-empty array. */
  pick<T>(array: readonly T[]): T {
    if (array.length === 0) throw new Error('Random.pick: the array is empty');
    return array[this.int(array.length)]!;
  }

  /** A shuffled copy (Fisher-Yates). */
  shuffle<T>(array: readonly T[]): T[] {
    const copy = [...array];
    for (let i = copy.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      [copy[i], copy[j]] = [copy[j]!, copy[i]!];
    }
    return copy;
  }

  /**
   * An independent generator named `label`, derived from the present state without advancing it:
   * draws added in one fork never move the numbers of another.
   */
  fork(label: string): Random {
    return new Random(`${this.words.join(',')}/${label}`);
  }
}
