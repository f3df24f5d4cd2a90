import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/errors.js';
import { readSquality } from '../../../src/data/squality.js';
import { squality } from '../../../src/tasks/squality.js';

const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
const story = {
  metadata: { passage_id: '7' },
  document: 'One day.\nThen another.',
  questions: [
    {
      question_text: 'What is the plot? ',
      question_number: 1,
      responses: [{ response_text: 'Two days.' }, { response_text: ' Days pass. ' }],
    },
    { question_text: 'Who?', question_number: 2, responses: [] },
  ],
};

function written(name: string, ...lines: string[]): string {
  const path = join(folder, name);
  writeFileSync(path, lines.join('\n'));
  return path;
}

describe('SQuALITY', () => {
  it('gives each answered question with all its references', () => {
    const path = written('one.jsonl', JSON.stringify(story), '', JSON.stringify(story));
    expect(readSquality(path)).toHaveLength(2);
    const [first, ...others] = [...squality.samples({ data: path }, 'validation')];
    expect(first).toEqual({
      id: '7/1',
      context: story.document,
      question: 'What is the plot?',
      answers: ['Two days.', 'Days pass.'],
      tags: ['plot'],
    });
    expect(others).toHaveLength(1);
  });

  it.each([
    ['broken', '{"metadata": '],
    ['of another form', '{"metadata": {"passage_id": 7}}'],
  ])('names file and line of what is %s', (name, line) => {
    const path = written(`${name}.jsonl`, JSON.stringify(story), line);
    let problem: unknown;
    try {
      readSquality(path);
    } catch (error) {
      problem = error;
    }
    expect(problem).toBeInstanceOf(UserError);
    expect((problem as UserError).where).toBe(`${path}:2`);
  });

  const real = resolve('../shared/data/squality/dev.jsonl');
  it.skipIf(!existsSync(real))(`reads ${real}`, () => {
    const stories = readSquality(real);
    expect(stories).toHaveLength(25);
    for (const { questions, context } of stories) {
      expect(context.length).toBeGreaterThan(10_000);
      expect(questions).toHaveLength(5);
      for (const { answers } of questions) expect(answers).toHaveLength(4);
    }
  });
});
