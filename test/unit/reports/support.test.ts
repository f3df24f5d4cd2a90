import { describe, expect, it } from 'vitest';
import { countUnsupported, markUnsupported } from '../../../src/reports/support.js';

const references = [
  'Yusuf Silva has color amber, job tailor. Mina Nolan has color green, pet grey cat.',
  'The color of Yusuf Silva is amber. The job of Yusuf Silva is tailor.',
];
const unsupported = (text: string): string[] =>
  markUnsupported(text, references)
    .filter((span) => span.unsupported)
    .map((span) => span.text);

describe('statements without support', () => {
  it.each([
    ['Yusuf Silva has color amber, job tailor.', []],
    ['Yusuf Silva has job tailor and color amber.', []],
    ['Yusuf Silva has color green, job tailor.', ['Yusuf Silva has color green']],
    // Both words stand in the reference, but not together.
    ['Yusuf Silva has color tailor.', ['Yusuf Silva has color tailor']],
    // Said of another name.
    ['Mina Nolan has job tailor.', ['Mina Nolan has job tailor']],
    ['Mina Nolan has color green, job tailor.', ['job tailor']],
    ['Mina Nolan has color green, pet black cat.', ['pet black cat']],
    ['', []],
    ['the of and. ,', []],
  ])('%s', (text, expected) => {
    expect(unsupported(text)).toEqual(expected);
    expect(
      markUnsupported(text, references)
        .map((span) => span.text)
        .join(''),
    ).toBe(text);
  });

  it('are counted among those that say something', () => {
    const spans = markUnsupported('Mina Nolan has color green, job tailor.', references);
    expect(countUnsupported(spans)).toEqual({ statements: 2, unsupported: 1 });
    expect(countUnsupported(markUnsupported('x', []))).toEqual({ statements: 1, unsupported: 1 });
  });
});
