/** Regular expressions that take endless time: refused in tokenizers, and none of our own. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { nestsRepeats } from '../../../src/models/tokenizer-patterns.js';
import { loadTokenizer } from '../../../src/models/tokenizer.js';
import { problemOf } from '../../helpers/problems.js';

it.each([
  '(a+)+$',
  '(?:a*)*',
  '((?:x|y+)z?){2,}',
  '([a-z]+ ?){1,40}',
  '(?<word>\\w+)*!',
  '(?:(a{2,}))+?',
  '([)]+)*',
  '(\\(+)+',
])('finds the repeat within a repeat of %s', (pattern) => {
  expect(nestsRepeats(pattern)).toBe(true);
});

it.each([
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}]*[\\p{Ll}\\p{M}]+(?i:'s|'t)?| ?[^\\s]+[\\r\\n/]*",
  '\\d{1,3}(?=(?:\\d{3})*\\b)',
  '(?:a|b)+(?:c+)?[(+)*]+\\)+',
  '(a+){1,3}',
])('lets %s through', (pattern) => {
  expect(nestsRepeats(pattern)).toBe(false);
});

it('refuses a tokenizer with such a pattern before any text meets it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kvd-patterns-'));
  cpSync('test/golden/tokenizers/gpt2', folder, { recursive: true });
  const file = join(folder, 'tokenizer.json');
  const json = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  const split = { type: 'Split', pattern: { Regex: '(\\p{L}+)+!' }, behavior: 'Isolated', invert: false };
  writeFileSync(
    file,
    JSON.stringify({ ...json, pre_tokenizer: { type: 'Sequence', pretokenizers: [split] } }),
  );
  const problem = problemOf(() => loadTokenizer(folder));
  expect(problem).toMatchObject({ code: 'bad-tokenizer', where: file });
  expect(problem.message).toContain(JSON.stringify('(\\p{L}+)+!'));
});

it('no regular expression of our own has one', () => {
  const found: string[] = [];
  let count = 0;
  for (const name of readdirSync('src', { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue;
    const source = ts.createSourceFile(name, readFileSync(join('src', name), 'utf8'), ts.ScriptTarget.Latest);
    const visit = (node: ts.Node): void => {
      if (ts.isRegularExpressionLiteral(node)) {
        count++;
        const pattern = node.text.slice(1, node.text.lastIndexOf('/'));
        if (nestsRepeats(pattern)) found.push(`${name}: ${pattern}`);
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  expect(count).toBeGreaterThan(50);
  expect(found).toEqual([]);
});
