/** Single keys set from outside: `--set a.b=c`, and the keys of a sweep. */
import { parse } from 'yaml';
import { UserError } from '../base/errors.js';
import { mergeDeep, type Places } from './yaml.js';

const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);

/** `value` at the dotted `path` of a copy of `target`. */
export function setAt(
  target: Record<string, unknown>,
  path: string,
  value: unknown,
): Record<string, unknown> {
  const keys = path.split('.');
  if (keys.some((key) => key === '' || FORBIDDEN.has(key))) {
    throw new UserError('bad-override', `"${path}" is no key path`, { hint: 'A path reads a.b.c.' });
  }
  const nested = keys.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
  return mergeDeep(target, nested as Record<string, unknown>);
}

/** Applies `--set` arguments in order; values are YAML. */
export function applySets(
  target: Record<string, unknown>,
  places: Places,
  sets: readonly string[],
): Record<string, unknown> {
  let result = target;
  for (const set of sets) {
    const at = set.indexOf('=');
    if (at < 1) {
      throw new UserError('bad-override', `"${set}" is no override`, { hint: 'Write --set key.path=value.' });
    }
    const path = set.slice(0, at);
    let value: unknown;
    try {
      value = parse(set.slice(at + 1)) as unknown;
    } catch (error) {
      throw new UserError('bad-override', `the value of "${path}" is not YAML: ${(error as Error).message}`);
    }
    result = setAt(result, path, value);
    places.set(path, `--set ${path}`);
  }
  return result;
}
