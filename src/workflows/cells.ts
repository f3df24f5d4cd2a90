/** What an evaluation is made of: each of its methods at each budget. */
import { budgetsOf, describeBudget, type Budget, type BudgetSpellings } from '../experiment/retention.js';
import type { Experiment } from '../experiment/schema.js';
import { methods } from '../methods/index.js';
import type { FixedBudget, Method } from '../methods/method.js';

export interface Cell {
  method: string;
  options: Record<string, unknown>;
  budget: Budget;
  /** Of the budget. */
  label: string;
}

function budgetsFor(method: Method, spellings: BudgetSpellings): FixedBudget[] {
  if (method.budget !== 'free') return [method.budget];
  return budgetsOf(spellings).map((budget) => ({ budget, label: describeBudget(budget) }));
}

/** Cells in the order of evaluation, those of each method together; one of fixed budget has one, whatever the budgets. */
export function cellsByMethod({ evaluation }: Experiment): Cell[][] {
  if (evaluation === undefined) return [];
  return evaluation.methods.map(({ name, ...options }) =>
    budgetsFor(methods.get(name), evaluation).map((budget) => ({ method: name, options, ...budget })),
  );
}

/** All of them in a row. */
export function cellsOf(experiment: Experiment): Cell[] {
  return cellsByMethod(experiment).flat();
}
