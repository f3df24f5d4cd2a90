import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { answers, askStream, wholeCache } from '../../../src/contexts/ask.js';
import { compressDocuments, type Compressor } from '../../../src/contexts/compress.js';
import { contextSize, disposeContext, type CompressedContext } from '../../../src/contexts/context.js';
import type { DocumentInput } from '../../../src/contexts/documents.js';
import { methods } from '../../../src/methods/index.js';
import { PAD_POSITION } from '../../../src/models/batch.js';
import { contextIds, questionIds } from '../../../src/models/prompt.js';
import type { LoadedModel } from '../../../src/workflows/session.js';
import { expectClose } from '../../helpers/closeness.js';
import { document, more, questions, shipped } from '../../helpers/contexts.js';

let model: LoadedModel;
let compressor: Compressor;

beforeAll(async () => {
  ({ model, compressor } = await shipped());
});

const compress = (
  documents: DocumentInput[],
  retention: number,
  over: Partial<Parameters<typeof compressDocuments>[2]> = {},
): Promise<CompressedContext> => compressDocuments(model, documents, { ...compressor, retention, ...over });

function positions({ cache }: CompressedContext, layer = 0): number[] {
  const [heads] = cache.positions[layer]!.arraySync();
  return heads![0]!.filter((at) => at !== PAD_POSITION).sort((a, b) => a - b);
}

async function ask(cache: CompressedContext['cache'], question: string): Promise<string> {
  let text = '';
  for await (const piece of askStream(model, cache, question, { maxNewTokens: 8 })) text += piece;
  return text;
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

describe('compressing documents', () => {
  it('keeps the share asked for, in bytes too, and still answers', async () => {
    const context = await compress([{ text: document }], 0.6);
    const size = contextSize(context);
    expect(size.tokens).toBe(contextIds(model.tokenizer, document).length);
    expect(size.rows).toBe(Math.round(0.6 * size.tokens));
    expect(size.bytes / size.uncompressedBytes).toBeCloseTo(size.rows / size.tokens, 12);
    expect(await ask(context.cache, questions[0]!)).toBe('amber');
  });

  it('kept whole is what the uncompressed model has, spans and documents or not', async () => {
    const spans = [{ from: 20, to: 50, retention: 1 }];
    const context = await compress([{ text: document, spans }, { text: more }], 1);
    const whole = wholeCache(model, context.tokenIds!);
    expect(positions(context)).toEqual(range(0, context.info.tokens));
    context.cache.keys.forEach((keys, layer) => {
      expectClose(keys.dataSync(), whole.keys[layer]!.dataSync(), 1e-5);
      expectClose(context.cache.values[layer]!.dataSync(), whole.values[layer]!.dataSync(), 1e-5);
    });
  });

  it('compresses a span of characters by its own share and keeps the rest whole, which sees the span as it is left', async () => {
    const ids = contextIds(model.tokenizer, document);
    const spans = [{ from: document.indexOf('For'), to: document.indexOf('The metal'), retention: 0.25 }];
    const context = await compress([{ text: document, spans }], 1);
    expect(Array.from(context.tokenIds!)).toEqual(ids);
    const [before, span, after] = context.info.segments;
    expect(model.tokenizer.decode(ids.slice(span!.from, span!.to)).trim()).toBe(
      'For Mina Nolan the job is tailor.',
    );
    expect(span!.kept).toBe(Math.round((span!.to - span!.from) / 4));
    const kept = positions(context);
    expect(kept.filter((at) => at < before!.to)).toEqual(range(0, before!.to));
    expect(kept.filter((at) => at >= after!.from)).toEqual(range(after!.from, ids.length));
    expect(kept).toHaveLength(ids.length - (span!.to - span!.from) + span!.kept);
    // What follows differs from the uncompressed model's: it has seen the compressed span alone.
    const whole = wholeCache(model, ids);
    const rows = ids.length - after!.from;
    const last = (x: tf.Tensor4D): Float32Array =>
      tf.slice(x, [0, 0, x.shape[2] - rows, 0]).dataSync() as Float32Array;
    expectClose(last(context.cache.keys[0]!), last(whole.keys[0]!), 1e-5);
    expect(last(context.cache.keys[2]!)).not.toEqual(last(whole.keys[2]!));
    expect(await ask(context.cache, 'what is the metal of Quiet Hammer?')).toBe('mercury');
  });

  it('appends a document as if it had been given at once, at its own share', async () => {
    const documents = [
      { text: document, retention: 0.6 },
      { text: more, name: 'more', retention: 0.8 },
    ];
    const together = await compress(documents, 0.5);
    const first = await compress([documents[0]!], 0.5);
    const before = tf.memory().numTensors;
    const both = await compress([documents[1]!], 0.5, { after: first });
    const grown = tf.memory().numTensors - before;
    expect(both.info).toEqual(together.info);
    expect(both.tokenIds).toEqual(together.tokenIds);
    together.cache.keys.forEach((keys, layer) => {
      expectClose(both.cache.keys[layer]!.dataSync(), keys.dataSync(), 1e-5);
    });
    expect(await ask(both.cache, 'what is the color of Twin Ladder?')).toBe('olive');
    expect(positions(first).at(-1)).toBeLessThan(first.info.tokens);
    disposeContext(both);
    expect(grown).toBe(2 * together.cache.keys.length + new Set(together.cache.positions).size);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('appends behind slots that stand at positions of their own', async () => {
    const icae = methods.get('icae');
    const adapter = icae.trainable!.fresh(model.model.config, { max_slots: 40, lora_r: 2 }, 1);
    const slots = { method: icae, adapter: { adapter, hash: 'a'.repeat(64) } };
    const first = await compress([{ text: document }], 0.25, slots);
    const both = await compress([{ text: more }], 1, { ...slots, after: first });
    expect(first.info.segments[0]!.compression!.own_positions).toBe(true);
    expect(first.info.next_position).toBe(first.info.segments[0]!.kept);
    expect(both.info.segments[1]!.position).toBe(first.info.next_position);
    expect(positions(both)).toEqual(range(0, both.info.next_position));
  });

  it.each([
    [
      'a span that is none',
      { text: document, spans: [{ from: 9, to: 9, retention: 0.5 }] },
      /9:9 is no range/,
    ],
    [
      'spans that overlap',
      {
        text: document,
        spans: [
          { to: 20, retention: 0.5 },
          { from: 10, retention: 1 },
        ],
      },
      /begins before/,
    ],
    [
      'a span behind the end',
      { text: document, spans: [{ to: 1000, retention: 0.5 }] },
      /ends behind the last/,
    ],
    ['a part of a token', { text: document, spans: [{ from: 1, to: 2, retention: 0.5 }] }, /no whole token/],
    ['a ratio of 0', { text: document, retention: 0 }, /no retention ratio/],
    ['nothing', { text: '' }, /empty/],
  ])('refuses %s', async (_what, input, message) => {
    await expect(compress([input], 0.5)).rejects.toThrow(message);
  });

  it('wants a question for a method that looks at it', async () => {
    const h2a = { method: methods.get('h2a') };
    await expect(compress([{ text: document }], 0.5, h2a)).rejects.toThrow(/compresses for a question/);
    const context = await compress([{ text: document }], 0.5, { ...h2a, question: questions[0]! });
    expect(context.info.segments[0]!.compression!.question).toBe(questions[0]);
  });
});

describe('answers', () => {
  it('to several questions at once are those to each alone, and end as the model ends them', async () => {
    const context = await compress([{ text: document }], 0.8);
    const alone = await Promise.all(questions.map((question) => ask(context.cache, question)));
    expect(alone).toEqual(['amber', 'tailor']);
    const before = tf.memory().numTensors;
    const texts = questions.map(() => '');
    const prompts = questions.map((question) => questionIds(model.tokenizer, question));
    const finishes: unknown[] = [];
    for await (const piece of answers(model, context.cache, prompts, { maxNewTokens: 8 })) {
      texts[piece.question] += piece.text;
      if (piece.finish !== undefined) finishes[piece.question] = piece.finish;
    }
    expect(texts).toEqual(alone);
    expect(finishes).toEqual(['stop', 'stop']);
    for await (const { finish } of answers(model, context.cache, prompts, { maxNewTokens: 1 })) {
      if (finish !== undefined) expect(finish).toBe('length');
    }
    for await (const piece of answers(model, context.cache, prompts, { maxNewTokens: 8 })) {
      expect(piece.tokens).toBe(1);
      break;
    }
    expect(tf.memory().numTensors).toBe(before);
  });
});
