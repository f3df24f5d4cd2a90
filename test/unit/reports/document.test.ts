/** Reports in each format: what a reader and a program find in them. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chartTable } from '../../../src/reports/chart-table.js';
import { evidence, tally } from '../../../src/reports/claims.js';
import type { Chart } from '../../../src/reports/document.js';
import { documentWriters } from '../../../src/reports/document-writers/index.js';
import { writeDocument } from '../../../src/workflows/document.js';
import { HOSTILE, reportOf, sampleReport } from '../../helpers/report.js';

const write = async (name: string, report = sampleReport()): Promise<string> =>
  documentWriters.get(name).write(report);

describe('the HTML report', () => {
  it('lets nothing run but its own script and style, known by their hashes', async () => {
    const text = await write('html', reportOf(HOSTILE));
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(text)![1]!;
    for (const name of ['script', 'style']) {
      const bodies = [...text.matchAll(new RegExp(`<${name}>([^]*?)</${name}>`, 'g'))].map(
        ([, body]) => body!,
      );
      expect(bodies).toHaveLength(1);
      const hash = createHash('sha256').update(bodies[0]!).digest('base64');
      expect(policy).toContain(`${name}-src 'sha256-${hash}'`);
    }
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    const tags = text.match(/<[a-z][^>]*>/g)!;
    expect(tags.filter((tag) => / style="| on[a-z]+="/.test(tag))).toEqual([]);
  });

  it('names nothing outside itself', async () => {
    const addresses = [...(await write('html')).matchAll(/(?:src|href)="([^"#][^"]*)"/g)];
    expect(addresses).toEqual([]);
  });

  it('gives tables a caption and heads their scope', async () => {
    const text = await write('html');
    const [tables, captions] = ['<table', '<caption'].map((tag) => text.split(tag).length);
    expect(tables).toBe(captions);
    expect(/<th(?! scope=)[ >]/.test(text)).toBe(false);
  });

  it('keeps anchors apart, whatever sections are called', async () => {
    const [section] = sampleReport().sections;
    const names = ['table2', 'table2', 'sources', 'source-1', 'content', 'a "b"', ''];
    const text = await write('html', {
      ...sampleReport(),
      sections: names.map((id) => ({ ...section!, id })),
    });
    const ids = [...text.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id!);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.every((id) => /^[\w-]+$/.test(id))).toBe(true);
  });

  it('tells of sources whose details were not kept', async () => {
    const text = await write('html', { ...sampleReport(), sources: [] });
    expect(text).toContain('run-kvd-1/1 (no details kept)');
  });
});

describe('a chart as a table', () => {
  const charts = sampleReport().sections[1]!.blocks.flatMap((block) =>
    block.kind === 'chart' ? [block.chart] : [],
  );

  it('holds every point and rule of lines', () => {
    const table = chartTable(charts[0]!);
    expect(table.rows).toHaveLength(5 * 5 + 2);
    expect(table.rows[0]).toMatchObject({ series: 'uncompressed', x: null, y: { value: 97.8, stderr: 0.3 } });
    expect(table.rows[2]).toMatchObject({ series: 'kvd', x: '1 %', y: { digits: 1 } });
  });

  it('holds every cell of maps, and gaps where nothing was measured', () => {
    const map = charts[1] as Extract<Chart, { kind: 'heatmap' }>;
    const [first, ...others] = map.facets;
    const table = chartTable({ ...map, facets: [{ ...first!, cells: first!.cells.slice(1) }, ...others] });
    expect(table.rows).toHaveLength(4 * 5);
    expect(table.rows[0]).toMatchObject({
      facet: 'kvd',
      y: '0 %',
      x0: null,
      x1: { value: 100, stderr: 2.1 },
    });
  });
});

describe('claims', () => {
  it('say what decides them', () => {
    const difference = { value: -0.0123, stderr: 0.004, unit: 'nats' };
    expect(evidence({ text: '', verdict: 'fails', difference, sigmas: 3.075 })).toBe(
      'difference −0.012 ± 0.004 nats, 3.1 standard errors',
    );
    expect(evidence({ text: '', verdict: 'unknown' })).toBe('');
  });

  it('are counted by verdict', () => {
    expect(tally(sampleReport().sections[0]!.claims)).toBe('holds 1, fails 1, undecided 1, unknown 1');
    expect(tally([])).toBe('');
  });
});

describe('the CSV report', () => {
  it('has a line for each number and claim, with its sources', async () => {
    const lines = (await write('csv')).trimEnd().split('\n');
    expect(lines[0]).toBe('section,block,row,column,value,value (s.e.),value (difference),verdict,sources');
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^table2,Accuracy in % by method and retention,method=kvd; id=0,20 %,92\.28\d*,0\.4,-5\.5\d*,,run-kvd-1\/20 run-kvd-2\/20 run-kvd-3\/20$/,
      ),
    );
    expect(lines).toContain('table2,claims,kvd above h2i at 20 %,difference (points),12.34,1.1,,holds,');
    // 5 methods × 5 ratios and 3 published numbers, 4 claims, 25 points and 2 rules, 4 maps of 20 cells.
    expect(lines).toHaveLength(1 + 28 + 4 + 27 + 80);
  });
});

describe('the JSON report', () => {
  it('is the document', async () => {
    expect(JSON.parse(await write('json'))).toEqual(sampleReport());
  });
});

const noLatex = spawnSync('pdflatex', ['--version']).status !== 0;

describe.skipIf(noLatex)(`the LaTeX report${noLatex ? ' (skipped: no pdflatex)' : ''}`, () => {
  it.each([
    ['as it is', sampleReport()],
    ['of hostile text', reportOf(`${HOSTILE} λ中 é \u{1f600} ≤ “q” \\end{document} $x_1$ [*]`)],
  ])('compiles %s', async (_, report) => {
    const folder = mkdtempSync(join(tmpdir(), 'kvd-latex-'));
    writeFileSync(join(folder, 'report.tex'), await write('latex', report));
    const { status, stdout } = spawnSync(
      'pdflatex',
      ['-interaction=nonstopmode', '-halt-on-error', '-no-shell-escape', 'report.tex'],
      { cwd: folder, encoding: 'utf8' },
    );
    rmSync(folder, { recursive: true });
    expect(stdout.split('\n').filter((line) => line.startsWith('!'))).toEqual([]);
    expect(status).toBe(0);
  });
});

describe('writeDocument', () => {
  it('writes a file a format and says where', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kvd-document-'));
    const paths = await writeDocument(folder, 'report', sampleReport());
    expect(paths).toEqual(
      ['html', 'md', 'tex', 'csv', 'json'].map((ending) => join(folder, `report.${ending}`)),
    );
    expect(readFileSync(paths[1]!, 'utf8')).toMatch(/^# KV-Distill at nano scale\n/);
    rmSync(folder, { recursive: true });
  });
});
