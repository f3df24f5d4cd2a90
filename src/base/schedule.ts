/** Work with dependencies, several pieces at once. */

export interface Piece<T> {
  /** What the piece makes or uses alone: no two pieces of one resource run at once. */
  resource?: string | undefined;
  /** Resources that must have been made before: it waits for the pieces that have them. */
  after?: readonly string[];
  run(): Promise<T>;
}

/**
 * Runs pieces in their order, `jobs` at once, each as soon as what it waits for has ended.
 * The first failure is thrown once all that run have ended, and nothing is begun after it.
 * @param failed called at the first failure, while others may still run
 */
export async function runPieces<T>(
  pieces: readonly Piece<T>[],
  jobs: number,
  failed: () => void = () => undefined,
): Promise<T[]> {
  const results = new Array<T>(pieces.length);
  const waiting = new Set(pieces.keys());
  const running = new Map<number, Promise<void>>();
  const failures: unknown[] = [];

  const isFree = (index: number): boolean => {
    const { resource, after = [] } = pieces[index]!;
    const unfinished = [...waiting, ...running.keys()].filter((other) => other !== index);
    return (
      ![...running.keys()].some((other) => resource !== undefined && pieces[other]!.resource === resource) &&
      !unfinished.some((other) => other < index && after.includes(pieces[other]!.resource ?? ''))
    );
  };
  const start = async (index: number): Promise<void> => {
    try {
      results[index] = await pieces[index]!.run();
    } catch (error) {
      if (failures.push(error) === 1) failed();
    } finally {
      running.delete(index);
    }
  };

  for (;;) {
    while (failures.length === 0 && running.size < jobs) {
      const next = [...waiting].find(isFree);
      if (next === undefined) break;
      waiting.delete(next);
      running.set(next, start(next));
    }
    if (running.size === 0) break;
    await Promise.race(running.values());
  }
  if (failures.length > 0) throw failures[0];
  return results;
}
