/** How much of a cache stays: one value, whichever of the four ways it was written. */
import { keptRows, type Budget } from '../base/rounding.js';

export type { Budget } from '../base/rounding.js';

type OneOrMany = number | readonly number[] | undefined;

/** The four spellings of an `evaluation` section; exactly one is given. */
export interface BudgetSpellings {
  /** Share of rows kept. */
  retention?: OneOrMany;
  /** Share of rows removed (kvpress). */
  compression_ratio?: OneOrMany;
  /** 10 keeps a tenth. */
  compression_factor?: OneOrMany;
  /** Rows kept, whatever the context's length. */
  budget_tokens?: OneOrMany;
}

function list(value: OneOrMany): readonly number[] {
  return value === undefined ? [] : typeof value === 'number' ? [value] : value;
}

/** Twelve digits: 1 − 0.8 is 0.2. */
function tidy(value: number): number {
  return Number(value.toPrecision(12));
}

/** The budgets of a section, in the order written. */
export function budgetsOf(spellings: BudgetSpellings): Budget[] {
  const ratio = (retention: number): Budget => ({ kind: 'ratio', retention: tidy(retention) });
  return [
    ...list(spellings.retention).map(ratio),
    ...list(spellings.compression_ratio).map((removed) => ratio(1 - removed)),
    ...list(spellings.compression_factor).map((factor) => ratio(1 / factor)),
    ...list(spellings.budget_tokens).map((tokens): Budget => ({ kind: 'tokens', tokens })),
  ];
}

/** Rows that a budget leaves of a context of `length` tokens: at least 1, at most all. */
export function keptTokens(budget: Budget, length: number): number {
  return budget.kind === 'ratio' ? keptRows(budget.retention, length) : Math.min(budget.tokens, length);
}

/** `25 %` or `128 tokens`. */
export function describeBudget(budget: Budget): string {
  return budget.kind === 'ratio' ? `${tidy(100 * budget.retention)} %` : `${budget.tokens} tokens`;
}
