/** A `sweep` section as the experiments it stands for: lists multiply, `_` holds values that move together. */
import { UserError } from '../base/errors.js';
import { setAt } from './overrides.js';

type Values = Record<string, unknown>;
const MOST = 10_000;

function choices(key: string, values: unknown, where: string): Values[] {
  if (!Array.isArray(values) || values.length === 0) {
    throw new UserError('invalid-experiment', `sweep.${key} wants a list of values`, { where });
  }
  if (key !== '_') return values.map((value) => ({ [key]: value as unknown }));
  return values.map((value) => {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) {
      throw new UserError('invalid-experiment', 'sweep._ wants a list of maps', { where });
    }
    return value as Values;
  });
}

/** Every combination of a sweep, as the keys it sets; one empty combination where nothing is swept. */
export function combinations(sweep: unknown, where: string): Values[] {
  if (sweep === undefined) return [{}];
  if (sweep === null || typeof sweep !== 'object' || Array.isArray(sweep)) {
    throw new UserError('invalid-experiment', 'sweep wants a map of lists', { where });
  }
  let all: Values[] = [{}];
  for (const [key, values] of Object.entries(sweep)) {
    const next = choices(key, values, where);
    all = all.flatMap((before) => next.map((chosen) => ({ ...before, ...chosen })));
    if (all.length > MOST)
      throw new UserError('invalid-experiment', `sweep stands for more than ${MOST} experiments`, { where });
  }
  return all;
}

/** `value` with the keys of one combination set. */
export function applyCombination(
  value: Record<string, unknown>,
  combination: Values,
): Record<string, unknown> {
  return Object.entries(combination).reduce((result, [path, item]) => setAt(result, path, item), value);
}
