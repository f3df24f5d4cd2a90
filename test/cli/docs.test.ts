/** Every command of the tutorials. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { quotedFiles, runTutorial } from '../helpers/docs.js';

describe.each(['docs/tutorial.md', 'docs/your-own-documents.md', 'docs/your-own-task.md'])('%s', (path) => {
  it('has commands that work', () => {
    const results = runTutorial(path);
    expect(results.length).toBeGreaterThan(0);
    for (const { block, status, output } of results) expect(status, `${block}\n${output}`).toBe(0);
  });

  it('quotes files as they are', () => {
    for (const { path: file, content } of quotedFiles(readFileSync(path, 'utf8'))) {
      expect(content).toBe(readFileSync(file, 'utf8'));
    }
  });
});
