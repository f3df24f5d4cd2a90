/** Which keys differ between configurations. */

export interface Difference {
  /** Dotted path. */
  key: string;
  /** The value in each configuration as JSON; undefined where it has none. */
  values: (string | undefined)[];
}

/** Leaves by dotted path; an empty list or map is a leaf. */
function flatten(value: unknown, path = ''): [string, string][] {
  if (value === undefined) return [];
  const inner = value !== null && typeof value === 'object' ? Object.entries(value) : [];
  if (inner.length === 0) return [[path, JSON.stringify(value)]];
  return inner.flatMap(([key, item]) => flatten(item, path === '' ? key : `${path}.${key}`));
}

/** Keys whose values are not the same in all configurations, in the order in which they first stand. */
export function differences(configurations: readonly unknown[]): Difference[] {
  const flat = configurations.map((configuration) => new Map(flatten(configuration)));
  return [...new Set(flat.flatMap((leaves) => [...leaves.keys()]))]
    .map((key) => ({ key, values: flat.map((leaves) => leaves.get(key)) }))
    .filter(({ values }) => values.some((value) => value !== values[0]));
}
