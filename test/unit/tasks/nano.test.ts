/** The paper's tasks at nano scale: what is asked, and what a perfect and a wrong answer get. */
import { describe, expect, it } from 'vitest';
import { take } from '../../../src/base/iterate.js';
import { metrics } from '../../../src/evaluation/metrics/index.js';
import { tasks } from '../../../src/tasks/index.js';

describe.each(['nano-qa', 'nano-long-qa', 'nano-squality', 'nano-govreport', 'nano-needle'])('%s', (name) => {
  const task = tasks.get(name);
  const samples = take(task.samples({}, 'test'), 30);

  it('asks distinct questions with answers, in a fixed order', () => {
    expect(new Set(samples.map(({ id }) => id)).size).toBe(30);
    expect(take(task.samples({}, 'test'), 30)).toEqual(samples);
    for (const { answers, context } of samples) {
      expect(answers.length).toBeGreaterThan(0);
      expect(context).not.toBe('');
    }
  });

  it('gives its reference full marks by the headline, and nothing none', () => {
    for (const { answers, choices } of samples) {
      const mark = (output: string): number =>
        metrics[task.metrics[0]!].mark({ output, references: answers, ...(choices && { choices }) });
      expect(mark(answers[0]!)).toBe(1);
      expect(mark('')).toBe(0);
    }
  });
});

it('the needle says where it lies; every pair of length and depth is asked', () => {
  const samples = take(tasks.get('nano-needle').samples({ lengths: [64, 128], depths: [0, 100] }, 'test'), 4);
  expect(samples.map(({ tags }) => tags)).toEqual([
    ['length=64', 'depth=0'],
    ['length=64', 'depth=100'],
    ['length=128', 'depth=0'],
    ['length=128', 'depth=100'],
  ]);
});

describe('choices', () => {
  const choices = { texts: ['red', 'dark blue'], correct: 1 };
  const mark = (
    name: 'letter_accuracy' | 'choice_accuracy' | 'choice_accuracy_norm',
    given: object,
  ): number => metrics[name].mark({ output: '', references: [], choices, ...given });

  it('are marked by the first letter that stands alone', () => {
    expect(mark('letter_accuracy', { output: 'dark blue B' })).toBe(1);
    expect(mark('letter_accuracy', { output: 'A, not B' })).toBe(0);
    expect(mark('letter_accuracy', { output: 'Blue' })).toBe(0);
  });

  it('are marked by likelihood, and by likelihood a character', () => {
    const given = { choiceLikelihoods: [-4, -6] };
    expect(mark('choice_accuracy', given)).toBe(0);
    expect(mark('choice_accuracy_norm', given)).toBe(1);
  });
});

it('ROUGE is the best over the references, with the mean beside it', () => {
  const answered = { output: 'a red ship', references: ['a red ship', 'nothing here'] };
  expect(metrics.rougeL.mark(answered)).toBe(1);
  expect(metrics.rougeL_mean.mark(answered)).toBe(0.5);
});
