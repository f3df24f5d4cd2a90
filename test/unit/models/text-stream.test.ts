import { expect, it } from 'vitest';
import { TextStream, TrimmedStream } from '../../../src/models/text-stream.js';
import { loadTokenizer } from '../../../src/models/tokenizer.js';

const tokenizer = loadTokenizer('models/nano/llama-small');

it.each(['The color is amber.', '  é😀 and 漢字, byte by byte \n', '\uFFFD'.repeat(40), ''])(
  'gives %j token by token, whole characters only',
  (text) => {
    const ids = tokenizer.encode(text);
    const stream = new TextStream(tokenizer);
    const pieces = ids.map((id) => stream.push(id));
    pieces.push(stream.end());
    expect(pieces.join('')).toBe(tokenizer.decode(ids));
    if (!text.includes('\uFFFD')) expect(pieces.join('|')).not.toContain('\uFFFD');

    const trimmed = new TrimmedStream();
    expect(pieces.map((piece) => trimmed.push(piece)).join('')).toBe(text.trim());
  },
);

it('shows the bytes of a character that never ends', () => {
  const [first] = tokenizer.encode('😀').slice(1);
  const stream = new TextStream(tokenizer);
  expect(stream.push(first!)).toBe('');
  expect(stream.end()).toBe('\uFFFD');
  expect(stream.end()).toBe('');
});
