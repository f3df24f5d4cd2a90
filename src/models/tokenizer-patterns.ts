/** Regular expressions of a tokenizer file, which is untrusted: some take time that grows exponentially with the text. */

/** What quantifier stands at `at`: its length, and whether it repeats what is before it, over and over. */
function quantifierAt(pattern: string, at: number): { length: number; repeats: boolean } {
  const [text = '', , most] = /^(?:[*+?]|\{\d+(,?)(\d*)\})[?+]?/.exec(pattern.slice(at)) ?? [];
  const endless = /^[*+]/.test(text) || (/^\{\d+,/.test(text) && (most === '' || Number(most) >= MANY));
  return { length: text.length, repeats: endless };
}

/** Times a group may be repeated, as one without end is not, though its parts repeat. */
const MANY = 10;

/** Length of what stands at `at`, where that is no group: a character, an escape, a property, a class. */
function atomLength(pattern: string, at: number): number {
  const rest = pattern.slice(at);
  if (rest.startsWith('\\')) return (/^\\(?:[pPux]\{[^}]*\}|k<[^>]*>|.)/s.exec(rest)?.[0] ?? rest).length;
  if (!rest.startsWith('[')) return 1;
  for (let i = 1; i < rest.length; i++) {
    if (rest[i] === '\\') i++;
    else if (rest[i] === ']' && i > 1) return i + 1;
  }
  return rest.length;
}

/**
 * Whether a pattern repeats a group that itself holds a repeat, as `(a+)+` does: where it does not match, engines that
 * backtrack may try each way of sharing a text out among both. Patterns of tokenizers in use have none.
 */
export function nestsRepeats(pattern: string): boolean {
  /** Whether the groups that are open hold a repeat, from the outermost. */
  const open = [false];
  for (let at = 0; at < pattern.length;) {
    let holds = false;
    if (pattern[at] === '(') {
      open.push(false);
      // Not the `?` of `(?:` and its like, which is no quantifier.
      at += pattern[at + 1] === '?' ? 2 : 1;
      continue;
    }
    if (pattern[at] === ')') {
      holds = open.length > 1 && open.pop()!;
      at += 1;
    } else at += atomLength(pattern, at);
    const { length, repeats } = quantifierAt(pattern, at);
    if (repeats && holds) return true;
    at += length;
    if (repeats || holds) open[open.length - 1] = true;
  }
  return false;
}

/** All patterns of a tokenizer's JSON: values of the key `Regex`, wherever it stands. */
export function patternsIn(json: unknown): string[] {
  if (json === null || typeof json !== 'object') return [];
  return Object.entries(json).flatMap(([key, value]) =>
    key === 'Regex' && typeof value === 'string' ? [value] : patternsIn(value),
  );
}
