/** Sections of a report as tests read them, and answers to measure. */
import type { Section } from '../../src/reports/document.js';
import { evidenceOf } from '../../src/reports/evidence.js';
import { targets } from '../../src/reports/sections/index.js';
import { sectionOf } from '../../src/reports/sections/section.js';
import type { Table } from '../../src/reports/table.js';
import type { Store } from '../../src/store/store.js';

export const right = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
export const wrong = right.map(() => 0);
export const mixed = [1, 0, 1, 0, 1, 0, 1, 0, 1, 0];

export function build(name: string, store: Store): Section | undefined {
  return sectionOf(targets.get(name), evidenceOf(store));
}

export function tables({ blocks }: Section): Table[] {
  return blocks.flatMap((block) => (block.kind === 'table' ? [block.table] : []));
}

export function verdicts({ claims }: Section): Record<string, string> {
  return Object.fromEntries(claims.map(({ text, verdict }) => [text, verdict]));
}
