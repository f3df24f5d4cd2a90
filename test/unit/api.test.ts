/** The examples of docs/api.md, as they stand. */
import { readFileSync } from 'node:fs';
import { afterEach, expect, it, vi } from 'vitest';
import { quotedFiles } from '../helpers/docs.js';

const page = readFileSync('docs/api.md', 'utf8');

afterEach(() => vi.restoreAllMocks());

async function printed(example: () => Promise<unknown>): Promise<string[]> {
  const lines: string[] = [];
  vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line));
  await example();
  return lines;
}

it('quotes them whole', () => {
  const files = quotedFiles(page);
  expect(files).toHaveLength(2);
  for (const { path, content } of files) expect(content).toBe(readFileSync(path, 'utf8'));
});

it('compresses a report once, keeps it, and asks it', async () => {
  const lines = await printed(() => import('../examples/compress-and-ask.js'));
  expect(lines).toEqual(['207 of 1033 rows, 20 % of the bytes', 'marble C', 'amber']);
  expect(page).toContain(lines.join('\n'));
});

it('compresses spans and appends documents', async () => {
  const lines = await printed(() => import('../examples/documents-and-spans.js'));
  expect(lines).toEqual([expect.stringMatching(/^tokens 0 to/), expect.stringMatching(/rows$/), 'olive']);
});
