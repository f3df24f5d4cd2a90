/** What every format of whole reports must hold to. */
import { describe, expect, it } from 'vitest';
import { documentWriters } from '../../src/reports/document-writers/index.js';
import type { ReportDocument } from '../../src/reports/document.js';
import { HOSTILE, reportOf, sampleReport } from '../helpers/report.js';

const whole = sampleReport();
const empty: ReportDocument = { title: 'Nothing yet', made: [], sections: [], sources: [] };
const hollow: ReportDocument = {
  ...empty,
  sections: [
    {
      id: 'table1',
      title: 'Nothing in it',
      intro: '',
      claims: [],
      blocks: [
        { kind: 'table', table: { title: 'No rows', columns: [], rows: [], notes: [] } },
        {
          kind: 'chart',
          notes: [],
          chart: {
            kind: 'lines',
            title: 'No lines',
            x: { label: 'x', scale: 'log', format: 'number' },
            y: { label: 'y' },
            series: [],
            rules: [],
          },
        },
        {
          kind: 'chart',
          notes: [],
          chart: {
            kind: 'heatmap',
            title: 'No cells',
            x: { label: 'x', values: [] },
            y: { label: 'y', values: [] },
            value: { label: 'v', from: 0, to: 1 },
            facets: [],
          },
        },
        { kind: 'side-by-side', items: [], notes: [] },
        { kind: 'text', text: '' },
      ],
    },
  ],
};

describe.each(documentWriters.names())('document format %s', (name) => {
  const writer = documentWriters.get(name);

  it('writes a report of nothing', async () => {
    expect((await writer.write(empty)).trim()).not.toBe('');
    expect((await writer.write(hollow)).trim()).not.toBe('');
  });

  it('writes one section', async () => {
    const text = await writer.write({ ...whole, sections: whole.sections.slice(0, 1) });
    expect(text).toContain('kvd above h2i at 20');
    expect(text).toContain('12.3');
    expect(text).toContain('snapkv');
  });

  it('writes many sections, in their order', async () => {
    const sections = Array.from({ length: 12 }, (_, i) => ({
      ...whole.sections[0]!,
      id: `table${i}`,
      claims: [{ text: `claim number ${i}.`, verdict: 'unknown' as const }],
    }));
    const text = await writer.write({ ...whole, sections });
    const places = sections.map((_, i) => text.indexOf(`claim number ${i}.`));
    expect(places.every((place) => place >= 0)).toBe(true);
    expect([...places].sort((a, b) => a - b)).toEqual(places);
  });

  it('holds the numbers of tables and of charts', async () => {
    const text = await writer.write(whole);
    for (const number of ['84.6', '97.8', '8.5']) expect(text).toContain(number);
  });

  it('says the same twice', async () => {
    expect((await writer.write(whole)) === (await writer.write(sampleReport()))).toBe(true);
  });

  it('lets no control character through', async () => {
    const text = await writer.write(reportOf(HOSTILE));
    expect(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(text)).toBe(false);
  });
});
