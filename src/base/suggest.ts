/** Nearest valid name for a mistyped one. */

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(substitute, previous[j]! + 1, current[j - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}

/** The entry of `valid` closest to `name`, or undefined where none is near enough to be meant. */
export function nearest(name: string, valid: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of valid) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** `did you mean "x"? ` (or nothing) and the list of valid names, as one hint. */
export function suggestion(name: string, valid: readonly string[]): string {
  const near = nearest(name, valid);
  const guess = near === undefined ? '' : `Did you mean "${near}"? `;
  return `${guess}Valid: ${[...valid].sort().join(', ')}.`;
}
