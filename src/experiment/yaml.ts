/** Experiment files as plain values, with the place of every key, across `extends`. */
import { dirname, resolve } from 'node:path';
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Node } from 'yaml';
import { UserError } from '../base/errors.js';
import { readText } from '../base/files.js';

/** `file:line:column` of each key path, joined by dots; the root is ''. */
export type Places = Map<string, string>;

export interface LoadedYaml {
  value: Record<string, unknown>;
  places: Places;
  warnings: string[];
}

const MAX_BYTES = 2 ** 20;
const MAX_DEPTH = 20;

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** Later values over earlier ones: maps merge, everything else replaces. */
export function mergeDeep(
  base: Record<string, unknown>,
  over: Record<string, unknown>,
): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = merged[key];
    merged[key] = isRecord(before) && isRecord(value) ? mergeDeep(before, value) : value;
  }
  return merged;
}

/** Key path as text; keys that hold dots (as in `sweep`) stay as they are. */
export function joinPath(path: readonly PropertyKey[]): string {
  return path.map(String).join('.');
}

function collect(node: unknown, path: string[], at: (offset: number) => string, found: Places): void {
  if (isMap(node)) {
    for (const pair of node.items) {
      const key = pair.key as Node;
      if (isMap(key) || isSeq(key))
        throw new UserError('invalid-experiment', 'a key is a word, not a map or a list', {
          where: at(key.range?.[0] ?? 0),
        });
      const name = isScalar(key) ? String(key.value) : '';
      found.set(joinPath([...path, name]), at(key.range?.[0] ?? 0));
      collect(pair.value, [...path, name], at, found);
    }
  } else if (isSeq(node)) {
    node.items.forEach((item, i) => {
      found.set(joinPath([...path, `${i}`]), at((item as Node).range?.[0] ?? 0));
      collect(item, [...path, `${i}`], at, found);
    });
  }
}

function parseFile(file: string): LoadedYaml {
  const text = readText(file, MAX_BYTES);
  const counter = new LineCounter();
  const document = parseDocument(text, {
    ...{ lineCounter: counter, uniqueKeys: true, prettyErrors: false },
    // Or the library would write its own warnings to stderr.
    logLevel: 'error',
  });
  const at = (offset: number): string => {
    const { line, col } = counter.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => `${at(error.pos[0])}: ${error.message}`);
    throw new UserError('invalid-experiment', problems.join('\n'));
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 }) as unknown;
  } catch (error) {
    throw new UserError('invalid-experiment', (error as Error).message, { where: file });
  }
  if (!isRecord(value))
    throw new UserError('invalid-experiment', 'a map of keys is wanted', { where: `${file}:1:1` });
  const places: Places = new Map([['', `${file}:1:1`]]);
  if (!isAlias(document.contents)) collect(document.contents, [], at, places);
  const warnings = [...text.matchAll(/'[^'\n]*\\n[^'\n]*'/g)].map(
    ({ index }) =>
      `${at(index)}: '\\n' in single quotes is a backslash and an n; double quotes make it a new line`,
  );
  return { value, places, warnings };
}

/** Files that an `extends` names: one, or several in order. */
function basesOf(value: unknown, where: string): string[] {
  const bases = typeof value === 'string' ? [value] : value;
  if (Array.isArray(bases) && bases.every((base) => typeof base === 'string')) return bases;
  throw new UserError('invalid-experiment', 'extends wants the path of a file, or a list of paths', {
    where,
  });
}

/** Reads `file` and all that it extends, a later one over an earlier one; a base's keys keep the base's places. */
export function loadYaml(file: string, seen: readonly string[] = []): LoadedYaml {
  const path = resolve(file);
  if (seen.includes(path) || seen.length > MAX_DEPTH) {
    throw new UserError('invalid-experiment', 'extends itself', { where: file });
  }
  const own = parseFile(file);
  const { extends: base, ...value } = own.value;
  if (base === undefined) return own;
  const parents = basesOf(base, own.places.get('extends') ?? file).map((parent) =>
    loadYaml(resolve(dirname(file), parent), [...seen, path]),
  );
  const all = [...parents, { ...own, value }];
  return {
    value: all.map((one) => one.value).reduce(mergeDeep),
    places: new Map(all.flatMap((one) => [...one.places])),
    warnings: all.flatMap((one) => one.warnings),
  };
}
