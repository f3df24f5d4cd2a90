/** Iterables, and what is done piece by piece. */

/** The first `count` items; all where no count is given. */
export function take<T>(items: Iterable<T>, count = Infinity): T[] {
  const taken: T[] = [];
  if (count <= 0) return taken;
  for (const item of items) if (taken.push(item) >= count) break;
  return taken;
}

/** Where the pieces of at most `size` begin that make up `length`, and how long they are. */
export function pieces(length: number, size: number): { at: number; count: number }[] {
  return Array.from({ length: Math.ceil(length / size) }, (_, i) => ({
    at: i * size,
    count: Math.min(size, length - i * size),
  }));
}
