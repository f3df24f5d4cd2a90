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
 * A wrapper's options from its press's parameters: the press inside, whose own are `inner_params` or stand among the
 * wrapper's, as our `of`, and those that both name alike; undefined where we do not have the press inside.
 */
export function ofPress(registry: Registry<Method>, ...alike: string[]): KvpressName['options'] {
  return (params) => {
    const own = (params['inner_params'] ?? params) as Readonly<Record<string, unknown>>;
    const found = fromKvpress(registry, String(params['inner']), own);
    if (found === undefined) return undefined;
    const same = alike.map((name) => [name, params[name]] as const);
    return { of: { name: found.method.name, ...found.options }, ...Object.fromEntries(same) };
  };
}
