/** Methods by their names in kvpress, for checks against files that it made. */
import type { Named } from '../base/named.js';
import type { Registry } from '../base/registry.js';
import type { KvpressName, Method } from './method.js';

/** A press as we have it. */
export interface FromKvpress<M extends Method> {
  method: M;
  options: Record<string, unknown>;
  scores: NonNullable<KvpressName['scores']>;
}

/** Our method and options for a press of kvpress; undefined where we have none. */
export function fromKvpress<M extends Method>(
  registry: Registry<M>,
  press: string,
  params: Readonly<Record<string, unknown>>,
): FromKvpress<M> | undefined {
  const method = registry.list().find((one) => one.kvpress?.press === press);
  const options = method?.kvpress?.options(params);
  if (method === undefined || options === undefined) return undefined;
  const inside = options['of'] as Named | undefined;
  const scores = method.kvpress?.scores ?? (inside && registry.get(inside.name).kvpress?.scores) ?? 'values';
  return { method, options, scores };
}

/**
 * What a wrapper's parameters name as the press inside, as our `of`. Its parameters are `inner_params`, or stand among
 * the wrapper's own.
 */
export function kvpressInner(
  registry: Registry<Method>,
  params: Readonly<Record<string, unknown>>,
): Named | undefined {
  const own = (params['inner_params'] ?? params) as Readonly<Record<string, unknown>>;
  const found = fromKvpress(registry, String(params['inner']), own);
  return found && { name: found.method.name, ...found.options };
}
