/** ROUGE as Google's rouge_score 0.1.2 computes it (Lin 2004), token for token. */
import { porterStem } from './porter.js';

export interface RougeScore {
  precision: number;
  recall: number;
  fmeasure: number;
}

export const rougeTypes = ['rouge1', 'rouge2', 'rougeL', 'rougeLsum'] as const;
export type RougeType = (typeof rougeTypes)[number];

/** Lower case, runs of anything but ASCII letters and digits are spaces; words over three letters are stemmed. */
export function rougeTokens(text: string, stem: boolean): string[] {
  const words = text
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
  return stem ? words.map((word) => (word.length > 3 ? porterStem(word) : word)) : words;
}

function score(hits: number, predicted: number, wanted: number): RougeScore {
  const precision = predicted === 0 ? 0 : hits / predicted;
  const recall = wanted === 0 ? 0 : hits / wanted;
  const sum = precision + recall;
  return { precision, recall, fmeasure: sum > 0 ? (2 * precision * recall) / sum : 0 };
}

function counts(items: readonly string[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const item of items) found.set(item, (found.get(item) ?? 0) + 1);
  return found;
}

function ngrams(tokens: readonly string[], n: number): string[] {
  return tokens.slice(n - 1).map((_, i) => tokens.slice(i, i + n).join(' '));
}

function rougeN(target: readonly string[], prediction: readonly string[], n: number): RougeScore {
  const [wanted, predicted] = [ngrams(target, n), ngrams(prediction, n)];
  const left = counts(wanted);
  const hits = [...counts(predicted)].reduce(
    (sum, [gram, count]) => sum + Math.min(count, left.get(gram) ?? 0),
    0,
  );
  return score(hits, predicted.length, wanted.length);
}

/** Lengths of the longest common subsequences of all prefixes, [reference + 1] rows of [candidate + 1]. */
function lcsTable(reference: readonly string[], candidate: readonly string[]): Uint32Array[] {
  const table = [new Uint32Array(candidate.length + 1)];
  for (let i = 1; i <= reference.length; i++) {
    const above = table[i - 1]!;
    const row = new Uint32Array(candidate.length + 1);
    for (let j = 1; j <= candidate.length; j++) {
      row[j] = reference[i - 1] === candidate[j - 1] ? above[j - 1]! + 1 : Math.max(above[j]!, row[j - 1]!);
    }
    table.push(row);
  }
  return table;
}

/** Places of one longest common subsequence in `reference`; on ties as rouge_score walks back. */
function lcsPlaces(reference: readonly string[], candidate: readonly string[]): number[] {
  const table = lcsTable(reference, candidate);
  const places: number[] = [];
  let [i, j] = [reference.length, candidate.length];
  while (i > 0 && j > 0) {
    if (reference[i - 1] === candidate[j - 1]) {
      places.push(i - 1);
      i -= 1;
      j -= 1;
    } else if (table[i]![j - 1]! > table[i - 1]![j]!) j -= 1;
    else i -= 1;
  }
  return places;
}

/** Summary level: for each sentence of the target, what it shares with all of the prediction's together. */
function rougeLsum(target: readonly string[][], prediction: readonly string[][]): RougeScore {
  const [wanted, predicted] = [target.flat(), prediction.flat()];
  const [wantedLeft, predictedLeft] = [counts(wanted), counts(predicted)];
  let hits = 0;
  for (const sentence of target) {
    const union = new Set(prediction.flatMap((candidate) => lcsPlaces(sentence, candidate)));
    for (const place of [...union].sort((a, b) => a - b)) {
      const token = sentence[place]!;
      const [a, b] = [predictedLeft.get(token) ?? 0, wantedLeft.get(token) ?? 0];
      if (a === 0 || b === 0) continue;
      hits += 1;
      predictedLeft.set(token, a - 1);
      wantedLeft.set(token, b - 1);
    }
  }
  return score(hits, predicted.length, wanted.length);
}

/**
 * One ROUGE score of `prediction` against `target`. Sentences of rougeLsum are lines.
 * @param stem Porter's stemmer on words over three letters
 */
export function rouge(type: RougeType, target: string, prediction: string, stem: boolean): RougeScore {
  if (type === 'rougeLsum') {
    const sentences = (text: string): string[][] =>
      text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => rougeTokens(line, stem));
    return rougeLsum(sentences(target), sentences(prediction));
  }
  const [wanted, predicted] = [rougeTokens(target, stem), rougeTokens(prediction, stem)];
  if (type === 'rouge1') return rougeN(wanted, predicted, 1);
  if (type === 'rouge2') return rougeN(wanted, predicted, 2);
  const common = lcsTable(wanted, predicted)[wanted.length]![predicted.length]!;
  return score(common, predicted.length, wanted.length);
}

/** Stemmed F-measure of an output, the mean over the references. */
export function meanRouge(type: RougeType): (output: string, references: readonly string[]) => number {
  return (output, references) =>
    references.reduce((sum, target) => sum + rouge(type, target, output, true).fmeasure, 0) /
    Math.max(1, references.length);
}

/** Stemmed F-measure of an output, the best over the references (rouge_score's `score_multi`). */
export function bestRouge(type: RougeType): (output: string, references: readonly string[]) => number {
  return (output, references) =>
    references.reduce((best, target) => Math.max(best, rouge(type, target, output, true).fmeasure), 0);
}
