/** Anybody's own records and texts. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { datasets } from '../../../src/data/index.js';
import { cutText } from '../../../src/data/texts.js';
import { problemOf } from '../../helpers/problems.js';

const folder = mkdtempSync(join(tmpdir(), 'kvd-own-'));

function first(name: string, content: string, options: object = {}): unknown {
  const data = join(folder, name);
  writeFileSync(data, content);
  return datasets
    .get('records')
    .open({ data, ...options }, 'test')
    .get(0);
}

describe('records', () => {
  it('take the columns that are named, lists of answers, numbers', () => {
    const line = JSON.stringify({ doc: ' D ', q: 'Q?', key: 7, gold: ['A', 'B'] });
    expect(first('a.jsonl', line, { context: 'doc', question: 'q', answer: 'gold', id: 'key' })).toEqual({
      id: '7',
      context: 'D',
      questions: [{ id: '7', question: 'Q?', answers: ['A', 'B'] }],
    });
    expect(first('a.csv', 'context,question,answer\n"C, c",Q,1\n')).toMatchObject({
      context: 'C, c',
      questions: [{ question: 'Q', answers: ['1'] }],
    });
  });

  it.each([
    ['c.csv', 'context,question\nC,Q\n', ':2', '"answer" is missing'],
    ['d.jsonl', '\n{"context":"C","question":["x"],"answer":"A"}', ':2', '"question" is ["x"]'],
    ['e.jsonl', '{"context":"","question":"Q","answer":"A"}', ':1', '"context" is empty'],
    ['f.jsonl', '{"context":"C","question":"Q","answer":[null]}', ':1', '"answer" is null'],
    ['g.jsonl', '["C"]', ':1', 'no object'],
  ])('%s: say what of which record is wrong', (name, content, line, message) => {
    const problem = problemOf(() => first(name, content));
    expect(problem.where).toBe(join(folder, name) + line);
    expect(problem.message).toContain(message);
  });
});

it('texts are cut into contexts and what follows them, their spacing kept', () => {
  const cut = { context_words: 3, continuation_words: 2, prompt: 'On.' };
  expect(cutText(' a b\n\nc d  e f g h i j k', 'x.txt', cut)).toEqual([
    {
      id: 'x.txt:0',
      context: 'a b\n\nc',
      questions: [{ id: 'x.txt:0', question: 'On.', answers: ['d  e'] }],
    },
    { id: 'x.txt:5', context: 'f g h', questions: [{ id: 'x.txt:5', question: 'On.', answers: ['i j'] }] },
  ]);
});
