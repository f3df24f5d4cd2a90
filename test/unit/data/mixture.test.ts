/** How instructions are split, in which order passages come, and how sets are mixed. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { datasets } from '../../../src/data/index.js';
import { mix, quotas } from '../../../src/data/mixture.js';
import { epochOrder, Walk } from '../../../src/data/order.js';
import type { Passage, PassageSource } from '../../../src/data/passage.js';
import { Random } from '../../../src/engine/random.js';
import { problemOf } from '../../helpers/problems.js';

const folder = mkdtempSync(join(tmpdir(), 'kvd-mixture-'));

function passagesOf(name: string, records: readonly object[]): Passage[] {
  const data = join(folder, `${name}.jsonl`);
  writeFileSync(data, records.map((record) => JSON.stringify(record)).join('\n'));
  const source = datasets.get(name).open({ data }, 'train');
  return Array.from({ length: source.size }, (_, i) => source.get(i));
}

/** [context, instruction, answer], or nothing where the record is passed over. */
const triples = (name: string, records: readonly object[]): (string | undefined)[][] =>
  passagesOf(name, records).map(({ context, questions }) =>
    questions.flatMap(({ question, answers }) => [context, question, answers[0]]),
  );

describe('splitting into context, instruction and answer', () => {
  it('self-instruct: the input is the context', () => {
    expect(
      triples('self-instruct', [
        { instruction: 'Name the metal.', input: 'The metal is tin.\n', output: ' Tin', id: 1 },
        { instruction: 'Say hello.', input: '', output: 'Hello' },
      ]),
    ).toEqual([['The metal is tin.', 'Name the metal.', 'Tin'], []]);
  });

  it('p3: the longest paragraph is the context, the others the instruction', () => {
    const prompt = 'Read this.\n\nA long text about\na ship and its crew.\n\nWho is it about?';
    expect(
      triples('p3', [
        { inputs_pretokenized: prompt, targets_pretokenized: '\nThe crew' },
        { inputs_pretokenized: 'One paragraph.', targets_pretokenized: 'x' },
      ]),
    ).toEqual([
      ['A long text about\na ship and its crew.', 'Read this.\n\nWho is it about?', 'The crew'],
      [],
    ]);
  });

  it('long-alpaca: papers, two papers, books, and short instructions', () => {
    const paper =
      'Below is a paper. Memorize the paper and answer my question after the paper.\n The paper begins. \n P Now the term ends here. \n Now the paper ends. \nQuestion: Why?';
    const two =
      'There are two papers. Memorize them and answer my question after the paper.\n The first paper begins. P1 Now the first paper ends. The second paper begins. P2 Now the second paper ends.Compare them.';
    const book =
      'Below is some paragraphs in the book, T. Memorize the content and answer my question after the book.\n B \n Now the material ends. Summarize it.';
    expect(
      triples('long-alpaca', [
        { instruction: paper, output: 'Answer: So.', file: 'x' },
        { instruction: two, input: '', output: 'Alike.' },
        { instruction: book, input: null, output: 'Short.' },
        { instruction: 'Translate.', input: 'Haus', output: 'house' },
        { instruction: 'Say hello.', input: '', output: 'Hello' },
      ]),
    ).toEqual([
      ['P Now the term ends here.', 'Question: Why?', 'So.'],
      [
        'The first paper begins. P1 Now the first paper ends. The second paper begins. P2',
        'Compare them.',
        'Alike.',
      ],
      ['B', 'Summarize it.', 'Short.'],
      ['Haus', 'Translate.', 'house'],
      [],
    ]);
  });

  it('natural-instructions: the definition is the instruction', () => {
    const record = { task_name: 't', id: 'i', definition: 'Count.', inputs: 'a a', targets: '2' };
    expect(triples('natural-instructions', [record])).toEqual([['a a', 'Count.', '2']]);
  });

  it('says which record lacks what', () => {
    const problem = problemOf(() =>
      passagesOf('natural-instructions', [{ definition: 'x', inputs: 1, targets: '' }]),
    );
    expect(problem.where).toBe(join(folder, 'natural-instructions.jsonl:1'));
    expect(problem.message).toContain('inputs');
  });

  it('says how to get what is not there', () => {
    process.env.KVD_DATA = folder;
    const problem = problemOf(() => datasets.get('self-instruct').open({}, 'train'));
    delete process.env.KVD_DATA;
    expect(problem.hint).toContain('kvd data pull self-instruct');
  });
});

const numbers = (count: number, stretches?: number[]): PassageSource => ({
  size: count,
  get: (index) => ({ id: String(index), context: '', questions: [] }),
  ...(stretches && { stretches }),
});

describe('the order of an epoch', () => {
  it('is the shuffle of all, as Random.shuffle has it', () => {
    const order = epochOrder(numbers(100), new Random('x'));
    expect([...order]).toEqual(new Random('x').shuffle([...Array(100).keys()]));
  });

  it('takes stretches eight at a time', () => {
    const stretches = Array<number>(20).fill(10);
    const order = [...epochOrder(numbers(200, stretches), new Random('x'))];
    expect([...order].sort((a, b) => a - b)).toEqual([...Array(200).keys()]);
    const first = new Set(order.slice(0, 80).map((passage) => Math.floor(passage / 10)));
    expect(first.size).toBe(8);
    expect(Math.max(...first)).toBeGreaterThan(8);
    expect(order.slice(0, 10).map((passage) => Math.floor(passage / 10))).not.toEqual(
      Array(10).fill(order[0]! / 10),
    );
  });

  it('is another one in the next epoch, and the same from any place on', () => {
    const walk = (): Walk => new Walk(numbers(50), (epoch) => new Random(`e${epoch}`));
    const whole = Array.from({ length: 150 }, (_, i) => i).map((i, _, all) => (all.length, walk().at(i)));
    const one = walk();
    expect(Array.from({ length: 150 }, (_, i) => one.at(i))).toEqual(whole);
    expect(whole.slice(50, 100)).not.toEqual(whole.slice(0, 50));
    expect(new Set(whole.slice(50, 100)).size).toBe(50);
  });
});

describe('a mixture', () => {
  const named = (name: string, size: number): PassageSource => ({
    size,
    get: (index) => ({ id: `${name}${index}`, context: '', questions: [] }),
  });
  const sources = [
    { source: named('a', 700), weight: 3 },
    { source: named('b', 40), weight: 1 },
    { source: named('c', Infinity), weight: 1 },
  ];
  const ids = (source: PassageSource, count: number): string[] =>
    Array.from({ length: count }, (_, i) => source.get(i).id);

  it('keeps to the weights exactly in every cycle, and gives all of a set before one again', () => {
    const all = ids(mix(sources, 1, 1), 1000);
    const of = (letter: string): string[] => all.filter((id) => id.startsWith(letter));
    expect([of('a').length, of('b').length, of('c').length]).toEqual([600, 200, 200]);
    expect(new Set(of('a')).size).toBe(600);
    expect(new Set(of('b').slice(0, 40)).size).toBe(40);
    expect(new Set(of('b').slice(40, 80)).size).toBe(40);
    expect(of('c')).toEqual(Array.from({ length: 200 }, (_, i) => `c${i}`));
    expect(all.slice(0, 30).join()).toMatch(/b/);
  });

  it('goes on anywhere with what would have come', () => {
    const all = ids(mix(sources, 1, 4), 3000);
    const late = mix(sources, 1, 4);
    expect(Array.from({ length: 500 }, (_, i) => late.get(2500 + i).id)).toEqual(all.slice(2500));
    expect(ids(mix(sources, 2, 4), 100)).not.toEqual(all.slice(0, 100));
    for (let block = 0; block < 100; block++) {
      expect(new Set(all.slice(4 * block, 4 * block + 4).map((id) => id[0])).size).toBe(1);
    }
  });

  it('gives every set at least one draw', () => {
    expect(quotas([1, 1, 1], 10)).toEqual([4, 3, 3]);
    expect(quotas([1, 1e-9], 10)).toEqual([9, 1]);
    expect(quotas([1], 10)).toEqual([10]);
  });

  it('is a dataset whose options are checked with those of its sets', () => {
    const mixture = datasets.get('mixture');
    const sets = [{ name: 'nano', weight: 2, max_facts: 5 }, { name: 'nano-needle' }];
    const source = mixture.open({ sets }, 'train');
    const found = ids(source, 30).map((id) => id.replace(/-train.*/, ''));
    expect(new Set(found)).toEqual(new Set(['nano', 'nano-needle']));
    expect(mixture.options.safeParse({ sets: [{ name: 'nano', facts: 1 }] }).success).toBe(false);
    expect(mixture.options.safeParse({ sets: [{ name: 'mixture', sets }] }).success).toBe(false);
  });
});
