/** Readers of QuALITY, GovReport and the needle's haystack. */
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openGovreport } from '../../../src/data/govreport.js';
import { needle } from '../../../src/data/needle.js';
import type { Passage } from '../../../src/data/passage.js';
import { readQuality } from '../../../src/data/quality.js';
import { readSquality } from '../../../src/data/squality.js';
import { problemOf } from '../../helpers/problems.js';

const folder = mkdtempSync(join(tmpdir(), 'kvd-'));

function written(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function readGovreport(path: string): Passage[] {
  const source = openGovreport([path]);
  return Array.from({ length: source.size }, (_, i) => source.get(i));
}

const lines = (...values: unknown[]): string => values.map((value) => JSON.stringify(value)).join('\n');

describe('QuALITY', () => {
  const article = {
    article_id: '52995',
    set_unique_id: '52995_AB12',
    title: 'The Ship',
    article: 'A ship left.\nIt came back.',
    questions: [
      {
        question: 'What did the ship do? ',
        question_unique_id: '52995_AB12_1',
        options: ['It sank', 'It left and came back', 'It flew', 'Nothing'],
        writer_label: 1,
        gold_label: 2,
        difficult: 1,
      },
    ],
  };

  it('gives questions with their choices listed and the right one known', () => {
    const [passage] = readQuality(written('quality.dev', lines(article, article)));
    expect(passage).toEqual({
      id: '52995_AB12',
      context: article.article,
      questions: [
        {
          id: '52995_AB12_1',
          question: 'What did the ship do? A. It sank B. It left and came back C. It flew D. Nothing',
          answers: ['It left and came back B'],
          tags: ['hard'],
          choices: { texts: article.questions[0]!.options, correct: 1 },
        },
      ],
    });
  });

  it('refuses the test set, which has no labels, and what is of another form, by line and key', () => {
    const { gold_label: _label, ...unlabelled } = article.questions[0]!;
    const test = written('quality.test', lines(article, { ...article, questions: [unlabelled] }));
    expect(problemOf(() => readQuality(test))).toMatchObject({ code: 'no-labels', where: `${test}:2` });
    const three = { ...article, questions: [{ ...article.questions[0], options: ['a', 'b', 'c'] }] };
    const short = written('quality.three', lines(three));
    const problem = problemOf(() => readQuality(short));
    expect(problem).toMatchObject({ code: 'bad-quality', where: `${short}:1` });
    expect(problem.message).toContain('questions.0.options');
  });
});

describe('GovReport', () => {
  const section = (section_title: string, ...paragraphs: string[]): object => ({
    section_title,
    paragraphs,
    subsections: [],
  });

  it('reads exports with `report` and `summary`, and with `document`', () => {
    const path = written(
      'gov.jsonl',
      lines({ report: 'Long text.', summary: 'Text.' }, { id: 'x', document: 'Other.', summary: 'O.' }),
    );
    expect(readGovreport(path)).toEqual([
      {
        id: 'gov.jsonl/1',
        context: 'Long text.',
        questions: [{ id: 'gov.jsonl/1', question: 'Summarize the report.', answers: ['Text.'] }],
      },
      {
        id: 'x',
        context: 'Other.',
        questions: [{ id: 'x', question: 'Summarize the report.', answers: ['O.'] }],
      },
    ]);
  });

  it("reads a folder of the authors' files, of both agencies", () => {
    const authors = join(folder, 'authors');
    mkdirSync(authors);
    writeFileSync(
      join(authors, 'crs.json'),
      lines({
        id: 'R1',
        summary: ['First.', 'Second.'],
        reports: { section_title: 'Top', paragraphs: [], subsections: [section('One', 'a', 'b')] },
      }),
    );
    writeFileSync(
      join(authors, 'gao.json'),
      lines({
        id: 'GAO-1',
        report: [section('Letter', 'Dear'), section('Findings', 'c')],
        highlight: [section('What GAO Found', 'Found.')],
      }),
    );
    expect(
      readGovreport(authors).map(({ id, context, questions }) => [id, context, questions[0]!.answers]),
    ).toEqual([
      ['R1', 'Top\nOne\na\nb', ['First.\nSecond.']],
      ['GAO-1', 'Letter\nDear\nFindings\nc', ['What GAO Found\nFound.']],
    ]);
  });

  it('says where the summary is missing', () => {
    const path = written('no-summary.jsonl', lines({ report: 'a', summary: 'b' }, { report: 'a' }));
    const problem = problemOf(() => readGovreport(path));
    expect(problem).toMatchObject({ code: 'bad-govreport', where: `${path}:2` });
    expect(problem.message).toContain('summary');
  });
});

describe('the needle', () => {
  const hay = join(folder, 'hay');
  mkdirSync(hay);
  writeFileSync(join(hay, 'a.txt'), 'One two three. Four five six. Seven eight nine. Ten.');
  writeFileSync(join(hay, 'b.txt'), 'Eleven twelve.');
  const open = (options: object): string[][] => {
    const source = needle.open({ data: hay, needle: 'N.', ...options }, 'test');
    return Array.from({ length: source.size }, (_, i) => {
      const { context, questions } = source.get(i);
      return [context, ...questions[0]!.tags!];
    });
  };

  it('lies at the end of the sentence before its depth, and says where', () => {
    expect(open({ lengths: [8], depths: [0, 50, 80, 100] })).toEqual([
      ['N. One two three. Four five six. Seven eight', 'length=8', 'depth=0'],
      ['One two three. N. Four five six. Seven eight', 'length=8', 'depth=50'],
      ['One two three. Four five six. N. Seven eight', 'length=8', 'depth=80'],
      ['One two three. Four five six. Seven eight N.', 'length=8', 'depth=100'],
    ]);
  });

  it('has haystacks that begin with different texts and go round', () => {
    const found = open({ lengths: [3, 14], depths: [0], haystacks: 2 });
    expect(found.map(([context]) => context)).toEqual([
      'N. One two three.',
      'N. Eleven twelve. One',
      'N. One two three. Four five six. Seven eight nine. Ten. Eleven twelve. One two',
      'N. Eleven twelve. One two three. Four five six. Seven eight nine. Ten. Eleven twelve.',
    ]);
  });

  it('wants text', () => {
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    expect(problemOf(() => open({ data: empty })).code).toBe('empty-folder');
    expect(problemOf(() => open({ data: join(folder, 'none') })).code).toBe('missing-file');
    expect(problemOf(() => open({ data: written('blank.txt', ' \n') })).code).toBe('no-text');
  });

  const essays = resolve('../shared/data/needle');
  it.skipIf(!existsSync(essays))(`hides it in ${essays}`, () => {
    const source = needle.open({ data: essays }, 'test');
    expect(source.size).toBe(20);
    const { context, questions } = source.get(17);
    expect(questions[0]!.tags).toEqual(['length=8000', 'depth=50']);
    expect(context.split(' ')).toHaveLength(
      8000 +
        'The best thing to do in San Francisco is eat a sandwich and sit in Dolores Park on a sunny day.'.split(
          ' ',
        ).length,
    );
    expect(context).toContain(questions[0]!.answers[0]);
  });
});

describe.each([
  ['train', 50],
  ['dev', 25],
  ['test', 52],
])('SQuALITY %s', (split, stories) => {
  const path = resolve(`../shared/data/squality/${split}.jsonl`);
  it.skipIf(!existsSync(path))(`is read from ${path}`, () => {
    const passages = readSquality(path);
    expect(passages).toHaveLength(stories);
    for (const { questions } of passages) {
      expect(questions).toHaveLength(5);
      for (const { answers } of questions) expect(answers.length).toBeGreaterThan(0);
    }
  });
});
