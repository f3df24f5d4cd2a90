/** Every command of the tutorials. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { editedCheckout, quotedFiles, runTutorial, shellBlocks, type BlockResult } from '../helpers/docs.js';

function expectSuccess(results: readonly BlockResult[]): void {
  expect(results.length).toBeGreaterThan(0);
  for (const { block, status, output } of results) expect(status, `${block}\n${output}`).toBe(0);
}

describe.each([
  'docs/tutorial.md',
  'docs/compress-once.md',
  'docs/your-own-documents.md',
  'docs/your-own-task.md',
])('%s', (path) => {
  it('has commands that work', () => {
    expectSuccess(runTutorial(path));
  });

  it('quotes files as they are', () => {
    for (const { path: file, content } of quotedFiles(readFileSync(path, 'utf8'))) {
      expect(content).toBe(readFileSync(file, 'utf8'));
    }
  });
});

describe('docs/your-own-method.md', () => {
  const path = 'docs/your-own-method.md';

  it('has an example that works, by its own commands', () => {
    const checkout = editedCheckout(readFileSync(path, 'utf8'));
    const results = runTutorial(path, checkout, checkout);
    expectSuccess(results);
    // A filter that meets no test would pass as well.
    expect(results.at(-1)!.output).toMatch(/^[1-9]\d* passed, 0 failed$/m);
  });
});

it('every page names only commands and flags that there are', () => {
  const { commands } = JSON.parse(readFileSync('oclif.manifest.json', 'utf8')) as {
    commands: Record<string, { flags: Record<string, object> }>;
  };
  const pages = ['README.md', ...readdirSync('docs').map((name) => join('docs', name))];
  let seen = 0;
  for (const page of pages.filter((name) => name.endsWith('.md'))) {
    const blocks = shellBlocks(readFileSync(page, 'utf8')).map(({ block }) => block.replace(/\\\n/g, ' '));
    for (const line of blocks.flatMap((block) => block.match(/^kvd .*$/gm) ?? [])) {
      const [, first, second, ...rest] = line.replace(/'[^']*'/g, 'x').split(/\s+/);
      const command = commands[`${first}:${second}`] ?? commands[first!];
      const flags = [second, ...rest].flatMap((word) => /^--([\w-]+)/.exec(word ?? '')?.[1] ?? []);
      seen += 1;
      for (const flag of flags) {
        const known = [...Object.keys(command?.flags ?? {}), 'help', 'version'];
        expect(known, `${page}: ${line}`).toContain(flag);
      }
      if (!first!.startsWith('--')) expect(command, `${page}: ${line}`).toBeDefined();
    }
  }
  expect(seen).toBeGreaterThan(20);
});
