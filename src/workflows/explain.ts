/** What a compressed context has kept of its document, for the terminal and as a page. */
import { writeFileAtomic } from '../base/files.js';
import { UserError } from '../base/errors.js';
import { contextSize, type CompressedContext } from '../contexts/context.js';
import { explain, type Explanation } from '../contexts/explain.js';
import type { Tokenizer } from '../models/tokenizer.js';
import { contextPage, runsOf, tenths } from '../reports/context-page.js';
import { printable, printableLines } from '../reports/table.js';

/** What one layer, one head, or both keep, where a reader asks for them alone. */
export interface Chosen {
  layer?: number | undefined;
  head?: number | undefined;
}

function choose({ kept, heads, ...rest }: Explanation, { layer, head }: Chosen): Explanation {
  const check = (name: string, given: number | undefined, count: number): void => {
    if (given === undefined || given < count) return;
    throw new UserError('bad-choice', `${name} ${given} is none of 0 to ${count - 1}`, {
      where: `--${name}`,
    });
  };
  check('layer', layer, rest.layers);
  if (heads > 1) check('head', head, heads);
  const chosen = kept.filter(
    (_, i) =>
      (layer === undefined || kept.length === heads || Math.floor(i / heads) === layer) &&
      (head === undefined || heads === 1 || i % heads === head),
  );
  return { ...rest, heads: 1, kept: chosen };
}

const STYLES = { none: '\u001b[2m', some: '\u001b[4m', all: '\u001b[7m', end: '\u001b[0m' };

/**
 * The document with what was kept marked: reversed, or underlined where not all heads keep it, and what was evicted
 * faint; without colour, kept text stands in brackets, and in braces where not all heads keep it.
 */
function terminalText({ pieces, kept }: Explanation, colour: boolean): string {
  return runsOf({ pieces, kept })
    .map(({ text, marks }) => {
      const share = tenths(marks);
      const shown = printableLines(text);
      const level = share === 0 ? 'none' : marks.includes('0') ? 'some' : 'all';
      if (colour) return `${STYLES[level]}${shown}${STYLES.end}`;
      if (level === 'none') return shown;
      return level === 'all' ? `[${shown}]` : `{${shown}}`;
    })
    .join('');
}

function madeOf(context: CompressedContext): string[] {
  const { tokens, rows, bytes, uncompressedBytes } = contextSize(context);
  const parts = context.info.segments.map(({ from, to, kept, source, compression }) => {
    const how = compression === null ? 'kept whole' : `by ${compression.method}`;
    return printable(`${source ?? 'text'}: tokens ${from} to ${to}, ${Math.round(kept)} rows kept, ${how}`);
  });
  return [
    `${Math.round(rows)} of ${tokens} rows kept, ${(bytes / 1e6).toFixed(2)} MB instead of ${(uncompressedBytes / 1e6).toFixed(2)} MB`,
    ...parts,
  ];
}

/** Renders what a context keeps of its tokens: to a page at `page`, or as text for the terminal. */
export function renderExplanation(
  title: string,
  context: CompressedContext,
  ids: ArrayLike<number>,
  tokenizer: Tokenizer,
  options: Chosen & { page?: string | undefined; colour: boolean },
): string {
  const explanation = explain(context, ids, tokenizer);
  const chosen = choose(explanation, options);
  const made = madeOf(context);
  if (options.page === undefined) return [...made, '', terminalText(chosen, options.colour)].join('\n');
  const whole = options.layer === undefined && options.head === undefined;
  writeFileAtomic(options.page, contextPage({ title, made, ...(whole ? explanation : chosen) }));
  return `Written: ${options.page}`;
}
