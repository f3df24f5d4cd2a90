import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { renderScores, scoreFiles } from '../../../src/workflows/score.js';
import { golden } from '../../helpers/golden.js';

const folder = mkdtempSync(join(tmpdir(), 'kvd-score-'));

function file(name: string, lines: readonly unknown[]): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
  );
  return path;
}

const question = (id: number, prediction: string): object => ({
  id,
  prediction,
  references: ['red', 'the red'],
});

it("marks as SQuAD's own script and rouge_score do", () => {
  const squad = readFileSync(golden('squad.jsonl'), 'utf8').trim().split('\n');
  const cases = squad.map((line) => JSON.parse(line) as Record<string, unknown>);
  const path = file(
    'squad.jsonl',
    cases.map(({ prediction, golds }, id) => ({ id, prediction, references: golds })),
  );
  const { scores } = scoreFiles({ predictions: path, metrics: ['exact_match', 'f1'] });
  const average = (key: string): number =>
    cases.reduce((sum, one) => sum + Number(one[key]), 0) / cases.length;
  const variance =
    cases.reduce((sum, one) => sum + (Number(one.f1) - average('f1')) ** 2, 0) / (cases.length - 1);
  expect(scores.map(({ n }) => n)).toEqual([cases.length, cases.length]);
  expect(scores[0]!.mean).toBeCloseTo(average('exact_match'), 9);
  expect(scores[0]!.stderr).toBeCloseTo(
    Math.sqrt((average('exact_match') * (1 - average('exact_match'))) / cases.length),
    9,
  );
  expect(scores[1]!.mean).toBeCloseTo(average('f1'), 9);
  expect(scores[1]!.stderr).toBeCloseTo(Math.sqrt(variance / cases.length), 9);
});

it('takes references from a file of their own, and choices where lines have them', () => {
  const predictions = file('choices.jsonl', [
    { id: 'a', prediction: 'B', choice_log_likelihoods: [-3, -1] },
    { id: 'b', prediction: 'B', choice_log_likelihoods: [-3, -1] },
  ]);
  const references = file('references.jsonl', [
    { id: 'b', choices: ['tall', 'short'], correct: 0 },
    { id: 'a', choices: ['red', 'blue'], correct: 1 },
  ]);
  const { scores } = scoreFiles({ predictions, references, metrics: ['letter_accuracy', 'choice_accuracy'] });
  expect(scores.map(({ mean }) => mean)).toEqual([0.5, 0.5]);
});

it('tests two files on the samples that both have', () => {
  const ids = Array.from({ length: 12 }, (_, i) => i);
  const first = file(
    'first.jsonl',
    ids.map((id) => question(id, id < 2 ? 'red' : 'blue')),
  );
  const second = file(
    'second.jsonl',
    ids
      .slice(1)
      .reverse()
      .map((id) => question(id, 'a Red!')),
  );
  const result = scoreFiles({ predictions: first, against: second, metrics: ['exact_match', 'rougeL'] });
  const [exact, rouge] = result.against!.comparison;
  // Ten pairs that only the second got right: 2 · 2^-10.
  expect(exact).toMatchObject({ n: 11, first: 1 / 11, second: 1, test: 'McNemar' });
  expect(exact!.p).toBeCloseTo(2 / 1024, 9);
  expect(rouge).toMatchObject({ test: 'paired bootstrap' });
  expect(rouge!.p).toBeLessThan(0.01);
  const text = renderScores(result);
  expect(text).toContain('first.jsonl → second.jsonl');
});

it.each([
  ['{"id": 1,', 'bad-json'],
  [{ id: 1, references: ['x'] }, 'bad-line'],
  [{ id: 1, prediction: 'x' }, 'no-references'],
  [{ id: 1, prediction: 'x', choices: ['a', 'b'], correct: 2 }, 'bad-line'],
  [{ prediction: 3 }, 'bad-line'],
  [{ prediction: 'x', references: [] }, 'bad-line'],
  ['', 'no-predictions'],
])('refuses %j, saying where', (line, code) => {
  const path = file('bad.jsonl', [line]);
  expect(() => scoreFiles({ predictions: path })).toThrow(
    expect.objectContaining({ code, where: expect.stringContaining('bad.jsonl') as string }) as Error,
  );
});

it('refuses twice the same id, predictions that are missing, and metrics that lines cannot give', () => {
  const twice = file('twice.jsonl', [question(1, 'x'), question(1, 'y')]);
  expect(() => scoreFiles({ predictions: twice })).toThrow('a second line with id 1');
  const one = file('one.jsonl', [question(1, 'x')]);
  const two = file('two.jsonl', [question(1, ''), question(2, '')]);
  expect(() => scoreFiles({ predictions: one, references: two })).toThrow(
    'no prediction for 1 ids, such as 2',
  );
  expect(() => scoreFiles({ predictions: one, metrics: ['choice_accuracy'] })).toThrow('cannot be had');
});
