/** ROUGE and its stemmer against Google's rouge_score 0.1.2 (test/golden/make/fixtures_text.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { porterStem } from '../../../src/evaluation/metrics/porter.js';
import { rouge, rougeTokens, rougeTypes, type RougeScore } from '../../../src/evaluation/metrics/rouge.js';

type Marks = Record<(typeof rougeTypes)[number], RougeScore> & {
  target_tokens: string[];
  prediction_tokens: string[];
};
interface Sample {
  id: number;
  target: string;
  prediction: string;
  plain: Marks;
  stemmed: Marks;
}

const read = (name: string): string[] =>
  readFileSync(`test/golden/${name}`, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
const samples = read('rouge.jsonl').map((line) => JSON.parse(line) as Sample);

it('stems every word as rouge_score does', () => {
  const pairs = read('porter_stems.tsv').map((line) => line.split('\t') as [string, string]);
  expect(pairs.length).toBeGreaterThan(5000);
  const stems = pairs.map(([word]) => rougeTokens(word, true).join(' '));
  expect(pairs.filter(([, stem], i) => stems[i] !== stem)).toEqual([]);
  expect(porterStem('dying')).toBe('die');
});

describe.each(samples.map((sample) => [sample.id, sample] as const))('sample %i', (_, sample) => {
  it.each([false, true])('stemmed %s', (stem) => {
    const marks = stem ? sample.stemmed : sample.plain;
    expect(rougeTokens(sample.target, stem)).toEqual(marks.target_tokens);
    expect(rougeTokens(sample.prediction, stem)).toEqual(marks.prediction_tokens);
    for (const type of rougeTypes) {
      const ours = rouge(type, sample.target, sample.prediction, stem);
      for (const part of ['precision', 'recall', 'fmeasure'] as const) {
        expect(ours[part], `${type} ${part}`).toBeCloseTo(marks[type][part], 12);
      }
    }
  });
});
