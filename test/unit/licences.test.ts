/** docs/licences.md lists what package-lock.json installs, and nothing that forbids what our licence allows. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

/** Rows of the table: package, version, licence; the widths of its columns are prettier's. */
const rowsOf = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\| -/.test(line))
    .map((line) => line.replaceAll(/\s+/g, ' ').trim());

it('is what `node scripts/licences.mjs` prints', () => {
  const made = execFileSync(process.execPath, ['scripts/licences.mjs'], { encoding: 'utf8' });
  const rows = rowsOf(readFileSync('docs/licences.md', 'utf8'));
  expect(rows.length).toBeGreaterThan(200);
  expect(rows).toEqual(rowsOf(made));
});

it('holds licences that may be combined with Apache-2.0 only', () => {
  const licences = rowsOf(readFileSync('docs/licences.md', 'utf8'))
    .slice(1)
    .map((row) => row.split('|')[3]!.trim());
  const known =
    /^\(?((MIT|ISC|BSD-[23]-Clause|0BSD|Apache-2\.0|BlueOak-1\.0\.0|Unlicense|WTFPL|CC0-1\.0)( AND | OR )?)+\)?$/;
  expect([...new Set(licences)].filter((licence) => !known.test(licence))).toEqual([]);
});
