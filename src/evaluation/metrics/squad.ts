/** Marks of extractive answers: SQuAD's own exact match and F1, and KV-Distill's containment. */

/** Python's string.punctuation: ASCII only. */
const PUNCTUATION = /[!-/:-@[-`{-~]/g;
/** Articles as whole words, with Python's Unicode-aware word boundaries. */
const ARTICLES = /(?<![\p{L}\p{N}_])(a|an|the)(?![\p{L}\p{N}_])/gu;

function stripPunctuation(text: string): string {
  return text.replace(PUNCTUATION, '');
}

/** SQuAD v1.1 `normalize_answer`: lower case, no ASCII punctuation, no articles, single spaces. */
export function normalizeAnswer(text: string): string {
  return stripPunctuation(text.toLowerCase())
    .replace(ARTICLES, ' ')
    .split(/\s+/u)
    .filter((word) => word !== '')
    .join(' ');
}

/** 1 where the normalised prediction equals a gold answer's, else 0 (SQuAD v1.1). */
export function exactMatch(prediction: string, golds: readonly string[]): number {
  const normalized = normalizeAnswer(prediction);
  return golds.some((gold) => normalizeAnswer(gold) === normalized) ? 1 : 0;
}

function f1Against(prediction: string, gold: string): number {
  const predicted = normalizeAnswer(prediction).split(' ').filter(Boolean);
  const wanted = normalizeAnswer(gold).split(' ').filter(Boolean);
  const left = new Map<string, number>();
  for (const word of wanted) left.set(word, (left.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of predicted) {
    const count = left.get(word) ?? 0;
    if (count > 0) {
      common += 1;
      left.set(word, count - 1);
    }
  }
  if (common === 0) return 0;
  const precision = common / predicted.length;
  const recall = common / wanted.length;
  return (2 * precision * recall) / (precision + recall);
}

/** Token F1 of the normalised answers, the best over the golds (SQuAD v1.1: two empty strings give 0). */
export function f1(prediction: string, golds: readonly string[]): number {
  return golds.reduce((best, gold) => Math.max(best, f1Against(prediction, gold)), 0);
}

/**
 * KV-Distill's accuracy (appendix A): 1 where the output, stripped of punctuation, contains a gold answer.
 * Gold answers are stripped likewise and case is ignored: a gold "U.S." could else never be contained.
 */
export function containsAnswer(prediction: string, golds: readonly string[]): number {
  const output = stripPunctuation(prediction).toLowerCase();
  return golds.some((gold) => output.includes(stripPunctuation(gold).toLowerCase())) ? 1 : 0;
}
