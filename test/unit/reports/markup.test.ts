/** Nothing that a model wrote becomes markup. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeHtml, html, raw } from '../../../src/reports/html/markup.js';

describe('html', () => {
  it('escapes what is put in, in content and in attributes', () => {
    const text = html`<p title="${'"><script>'}">${"a & b < c > 'd'"}</p>`.text;
    expect(text).toBe('<p title="&quot;&gt;&lt;script&gt;">a &amp; b &lt; c &gt; &#39;d&#39;</p>');
  });

  it('keeps markup as it is, joins lists, leaves nothing for what is missing', () => {
    expect(html`${[html`<b>${1}</b>`, '<']}${undefined}${false}${raw('<i>')}`.text).toBe('<b>1</b>&lt;<i>');
  });

  it('drops the indentation of templates, never that of texts', () => {
    const tag = html;
    const text = tag`<div>
        ${'a\n    b'}
      </div>`.text;
    expect(text).toBe('<div>\na\n    b\n</div>');
  });

  it('lets no mark of HTML, no control and no change of direction through', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const escaped = escapeHtml(text);
        expect(/[<>"'\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/.test(escaped)).toBe(false);
        expect(/&(?!(amp|lt|gt|quot|#39);)/.test(escaped)).toBe(false);
      }),
    );
  });
});
