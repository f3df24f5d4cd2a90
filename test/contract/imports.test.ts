/** Imports never run in a ring. (Their direction between rooms is held by lint.) */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, it } from 'vitest';

const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join('src', name));

/** Files that `file` imports at run time; types leave no trace there. */
function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const found = [...text.matchAll(/^(?:import|export) (?!type )[^;]*?from '(\.[^']+)\.js';/gms)];
  return found
    .filter(([statement]) => !/^import \{(\s*type [^,}]+,?)+\s*\}/.test(statement))
    .map(([, path]) => normalize(join(dirname(file), `${path}.ts`)));
}

it('no file imports itself in the end', () => {
  const edges = new Map(files.map((file) => [file, importsOf(file)]));
  expect([...edges.values()].flat().length).toBeGreaterThan(200);
  const done = new Set<string>();
  const visit = (file: string, path: string[]): void => {
    if (path.includes(file))
      throw new Error(`ring: ${[...path.slice(path.indexOf(file)), file].join(' → ')}`);
    if (done.has(file)) return;
    for (const next of edges.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  files.forEach((file) => visit(file, []));
});
