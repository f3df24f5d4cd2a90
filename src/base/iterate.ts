/** Iterables. */

/** The first `count` items; all where no count is given. */
export function take<T>(items: Iterable<T>, count = Infinity): T[] {
  const taken: T[] = [];
  if (count <= 0) return taken;
  for (const item of items) if (taken.push(item) >= count) break;
  return taken;
}
