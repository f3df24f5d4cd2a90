import { describe, expect, it } from 'vitest';
import { datasets } from '../../../../src/data/index.js';
import { drawSource, stages } from '../../../../src/data/nano/curriculum.js';
import { chosenLetter } from '../../../../src/data/multiple-choice.js';
import { vocabulary } from '../../../../src/data/nano/words.js';
import { Random } from '../../../../src/engine/random.js';

const generated = ['nano', 'nano-long', 'nano-squality', 'nano-govreport', 'nano-needle', 'nano-mix'];
const tokens = (text: string): string[] => text.match(/\w+|[^\w\s]/g) ?? [];

describe.each(generated)('%s', (name) => {
  const dataset = datasets.get(name);
  const source = dataset.open({}, 'test');

  it('gives the same passage twice, others for other numbers, splits and seeds', () => {
    const context = (options: object, split: string, index: number): string =>
      dataset.open(options, split).get(index).context;
    expect(source.get(3)).toEqual(dataset.open({}, 'test').get(3));
    expect(new Set([context({}, 'test', 1), context({}, 'test', 2), context({}, 'train', 1)]).size).toBe(3);
    expect(context({ seed: 8 }, 'test', 1)).not.toBe(context({}, 'test', 1));
  });

  it('uses words of the nano vocabulary only', () => {
    const known = new Set(vocabulary());
    for (let i = 0; i < 20; i++) {
      const { context, questions } = source.get(i);
      const texts = [context, ...questions.flatMap(({ question, answers }) => [question, ...answers])];
      expect(texts.flatMap(tokens).filter((word) => !known.has(word))).toEqual([]);
    }
  });
});

describe('long documents', () => {
  it.each(['nano-long', 'nano-squality', 'nano-govreport'])('of %s have over 1,000 tokens', (name) => {
    for (let i = 0; i < 20; i++) {
      expect(tokens(datasets.get(name).open({}, 'test').get(i).context).length).toBeGreaterThan(1000);
    }
  });

  it('choices all stand in the document as values, one of them right', () => {
    for (let i = 0; i < 20; i++) {
      const { context, questions } = datasets.get('nano-long').open({}, 'test').get(i);
      expect(questions.length).toBeGreaterThan(3);
      for (const { question, answers, choices } of questions) {
        expect(new Set(choices!.texts).size).toBe(4);
        for (const text of choices!.texts) expect(context).toMatch(new RegExp(`\\b${text}\\b`));
        expect(chosenLetter(answers[0]!, 4)).toBe(choices!.correct);
        // The document tells the right choice of the very name that is asked for.
        const [, name] = /(?:of|does) (\w+ \w+)/.exec(question)!;
        const right = choices!.texts[choices!.correct]!;
        expect(context.split('. ').some((s) => s.includes(name!) && s.includes(right))).toBe(true);
      }
    }
  });

  it('summaries state facts of the document, in several ways', () => {
    for (const name of ['nano-squality', 'nano-govreport']) {
      const { context, questions } = datasets.get(name).open({}, 'test').get(0);
      const [{ answers }] = questions as [(typeof questions)[0]];
      expect(answers).toHaveLength(3);
      for (const sentence of answers[2]!.split(/(?<=\.) /)) expect(context).toContain(sentence);
    }
  });

  it('a report without a background names nothing but its two subjects', () => {
    const source = datasets.get('nano-govreport').open({ background: 'filler' }, 'test');
    for (let i = 0; i < 20; i++) {
      const { context, questions } = source.get(i);
      expect(tokens(context).length).toBeGreaterThan(1000);
      const told = questions[0]!.answers[2]!.split(/(?<=\.) /);
      const [title, ...rest] = context.split(/(?<=\.) /).filter((sentence) => / [A-Z]/.test(sentence));
      expect(
        rest.filter((sentence) => !told.includes(sentence)),
        title,
      ).toEqual([]);
    }
  });
});

it('a needle stands at its depth in a haystack of its length', () => {
  const source = datasets.get('nano-needle').open({ lengths: [200], depths: [0, 100] }, 'test');
  const [top, bottom] = [source.get(0), source.get(1)];
  expect(tokens(top.context).length).toBeGreaterThan(200);
  expect(top.questions[0]!.tags).toEqual(['length=200', 'depth=0']);
  expect(top.context.split('. ')[0]).toContain(top.questions[0]!.answers[0]);
  expect(bottom.context.split('. ').at(-1)).toContain(bottom.questions[0]!.answers[0]);
});

it('nano-mix holds kinds in blocks, in the shares asked for', () => {
  const source = datasets.get('nano-mix').open({ short: 1, long: 1, needle: 0, block: 4 }, 'train');
  const long = Array.from({ length: 80 }, (_, i) => source.get(i).context.length > 3000);
  for (let i = 0; i < 80; i += 4) expect(new Set(long.slice(i, i + 4)).size).toBe(1);
  const share = long.filter(Boolean).length / 80;
  expect(share).toBeGreaterThan(0.2);
  expect(share).toBeLessThan(0.8);
});

it('a letter is read only where it stands alone', () => {
  expect(chosenLetter('tailor B', 4)).toBe(1);
  expect(chosenLetter('The answer is C.', 4)).toBe(2);
  expect(chosenLetter('Ada Became Dull', 4)).toBeUndefined();
  expect(chosenLetter('E', 4)).toBeUndefined();
});

it('a curriculum stage draws its sources by share, the same for the same step', () => {
  const sources = stages.long!;
  const drawn = Array.from({ length: 200 }, (_, i) => drawSource(sources, `pretrain/1/${i}`));
  expect(new Set(drawn).size).toBe(sources.length);
  expect(drawSource(sources, 'pretrain/1/5')).toBe(drawn[5]);
  const pieces = sources[1]!.pieces('train', new Random('x'));
  expect(pieces[0]!.kind).toBe('document');
  expect(pieces.filter(({ kind }) => kind === 'answer')).toHaveLength(12);
});
