/** Every command of the tutorials. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { editedCheckout, quotedFiles, runTutorial, type BlockResult } from '../helpers/docs.js';

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
