/** The whole report, built from the store alone. */
import { stringify } from 'yaml';
import { UserError } from '../base/errors.js';
import { comparison } from '../reports/comparison.js';
import type { ReportDocument, Section } from '../reports/document.js';
import { evidenceOf, type Config } from '../reports/evidence.js';
import { targets as allTargets } from '../reports/sections/index.js';
import { sectionOf, type Target } from '../reports/sections/section.js';
import { detailsOf } from '../reports/sources.js';
import type { RunRow, Store } from '../store/store.js';

/** Kind of the run that records what a target of `kvd reproduce` rests on. */
export const RECORD = 'reproduce';

/** Configuration of such a run. */
export interface Reproduction {
  /** Command line that made it. */
  command: string;
  scale: string;
  quick: boolean;
  /** Ids of runs. */
  evaluations: readonly string[];
  trainings: readonly string[];
  /** Resolved experiments. */
  configurations: readonly unknown[];
}

/** A target with the newest record of it. */
interface Part {
  target: Target;
  run: RunRow;
  reproduction: Reproduction;
}

/** What `kvd reproduce` recorded last of each target. */
function recorded(store: Store, targets: readonly Target[]): Part[] {
  const records = store.listRuns({ kind: RECORD });
  return targets.flatMap((target) => {
    const run = records.find(({ name }) => name === target.name);
    return run === undefined ? [] : [{ target, run, reproduction: run.config as unknown as Reproduction }];
  });
}

function sectionsOf(store: Store, parts: readonly Part[]): Section[] {
  return parts.flatMap(({ target, reproduction }) => {
    const { evaluations, trainings, configurations } = reproduction;
    const evidence = evidenceOf(store, {
      evaluations,
      trainings,
      configurations: configurations as Config[],
    });
    return sectionOf(target, evidence) ?? [];
  });
}

/** All evaluations side by side: the report of what no target of `kvd reproduce` has recorded. */
function comparisonSection(store: Store, runs: readonly string[] | undefined): Section[] {
  const cells = store.cellSummaries(runs);
  if (cells.length === 0) return [];
  const blocks = [{ kind: 'table' as const, table: comparison(cells) }];
  return [{ id: 'comparison', title: 'Evaluations', intro: '', blocks, claims: [] }];
}

/** How it was made, one line each; `ids` are those of the runs behind it. */
function madeBy(store: Store, parts: readonly Part[], ids: ReadonlySet<string> | undefined): string[] {
  const origins = store.origins({ ids, except: RECORD });
  const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
  const seconds = sum(origins.map((origin) => origin.seconds));
  const distinct = (texts: readonly string[]): string => [...new Set(texts)].join('; ');
  const commands = distinct(parts.map(({ reproduction }) => reproduction.command));
  return [
    ...(commands === '' ? [] : [`Made by ${commands}`]),
    `kv-distill ${distinct(origins.map(({ codeVersion, gitCommit }) => `${codeVersion} at commit ${gitCommit ?? 'unknown'}`))}`,
    `${sum(origins.map(({ runs }) => runs))} runs, ${Math.ceil(seconds / 60)} minutes of training and evaluation`,
    `on ${distinct(origins.map(({ machine: { cores, cpu, node } }) => `${String(cores)} × ${String(cpu)}, node ${String(node)}`))}`,
  ];
}

function titleOf(parts: readonly Part[]): string {
  const scales = parts.map(({ reproduction: { scale, quick } }) => `${scale} scale${quick ? ', quick' : ''}`);
  return ['KV-Distill', [...new Set(scales)].join(' and ')].filter((text) => text !== '').join(': ');
}

export interface DocumentOptions {
  /** Sections of what `kvd reproduce` recorded; all unless given. */
  targets?: readonly Target[];
  /** Ids of evaluations to compare instead. */
  runs?: readonly string[] | undefined;
}

/**
 * The report of what `kvd reproduce` recorded or, where it recorded nothing or runs are named, of evaluations side by
 * side; a UserError where nothing was measured.
 */
export function documentOf(store: Store, options: DocumentOptions = {}): ReportDocument {
  const parts = options.runs === undefined ? recorded(store, options.targets ?? allTargets.list()) : [];
  const sections = parts.length > 0 ? sectionsOf(store, parts) : comparisonSection(store, options.runs);
  if (sections.length === 0) {
    throw new UserError('nothing-measured', 'no evaluation is stored', {
      where: store.path,
      hint: 'Run `kvd reproduce table2 --scale nano --quick`, or `kvd eval`.',
    });
  }
  const ids = parts.flatMap(({ reproduction }) => [...reproduction.evaluations, ...reproduction.trainings]);
  return {
    title: titleOf(parts),
    made: madeBy(store, parts, parts.length > 0 ? new Set(ids) : options.runs && new Set(options.runs)),
    sections,
    sources: detailsOf(store, sections, stringify),
  };
}
