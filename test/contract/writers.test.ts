/** What every report format must hold to. */
import { describe, expect, it } from 'vitest';
import { writers } from '../../src/reports/writers/index.js';
import type { Table } from '../../src/reports/table.js';

const hostile =
  'a|b & c_d $5 100% #1 {x} \\y "q",\nnext <script>alert(1)</script> \u001b[31mred\u001b[0m =SUM(A1)';

function table(rows: number): Table {
  return {
    title: 'T & co',
    columns: [
      { key: 'name', label: 'name', align: 'left' },
      { key: 'value', label: 'value %', align: 'right' },
    ],
    rows: Array.from({ length: rows }, (_, i) => ({
      name: i === 0 ? hostile : `row ${i}`,
      value: i === 1 ? null : { value: 1.25 + i, stderr: 0.5, digits: 2 },
    })),
    notes: ['a note with | and <b>'],
  };
}

describe.each(writers.names())('format %s', (name) => {
  const writer = writers.get(name);
  it.each([0, 1, 30])('writes %i rows', (rows) => {
    const text = writer.write(table(rows));
    expect(text.length).toBeGreaterThan(10);
    for (let i = 2; i < rows; i++) expect(text).toContain(`row ${i}`);
    if (rows > 0) expect(text).toContain('1.25');
  });
  it('lets no control sequence and no markup through', () => {
    const text = writer.write(table(2));
    expect(text).not.toContain('\u001b[31m');
    if (name === 'markdown') {
      expect(text).not.toContain('<script>');
      const row = text.split('\n').find((line) => line.includes('alert'))!;
      expect(row.replace(/\\\|/g, '').match(/\|/g)!.length).toBe(3);
    }
    if (name === 'latex')
      expect(text).toMatch(/a\\textbar\{\}b \\& c\\_d \\\$5 100\\% \\#1 \\\{x\\\} \\textbackslash\{\}y/);
    if (name === 'csv') expect(text.split('\n')[1]).toContain('""q""');
    if (name === 'json') expect((JSON.parse(text) as Table).rows[1]!.value).toBeNull();
  });
});
