/** The whole report, built from the store alone. */
import { stringify } from 'yaml';
import { UserError } from '../base/errors.js';
import type { ReportDocument, Section } from '../reports/document.js';
import { evidenceOf, type Config, type Runs } from '../reports/evidence.js';
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

interface Part {
  target: Target;
  runs: Runs;
  record?: { run: RunRow; reproduction: Reproduction };
}

/** Newest record of a target. */
function recordOf(records: readonly RunRow[], target: Target): Part | undefined {
  const run = records.find(({ name }) => name === target.name);
  if (run === undefined) return undefined;
  const reproduction = run.config as unknown as Reproduction;
  const { evaluations, trainings, configurations } = reproduction;
  return {
    target,
    runs: { evaluations, trainings, configurations: configurations as Config[] },
    record: { run, reproduction },
  };
}

/** What each section is built from: the recorded runs; without any record, all that is stored. */
function partsOf(store: Store, targets: readonly Target[], runs: readonly string[] | undefined): Part[] {
  if (runs !== undefined) return targets.map((target) => ({ target, runs: { evaluations: runs } }));
  const records = store.listRuns({ kind: RECORD });
  if (records.length === 0) return targets.map((target) => ({ target, runs: {} }));
  return targets.flatMap((target) => recordOf(records, target) ?? []);
}

/** Wall-clock seconds of runs that have ended. */
function seconds(runs: readonly RunRow[]): number {
  return runs.reduce(
    (sum, { startedAt, endedAt }) =>
      endedAt === null ? sum : sum + (Date.parse(endedAt) - Date.parse(startedAt)) / 1000,
    0,
  );
}

function madeBy(store: Store, parts: readonly Part[]): string[] {
  const records = parts.flatMap(({ record }) => record ?? []);
  const ids = new Set(parts.flatMap(({ runs }) => [...(runs.evaluations ?? []), ...(runs.trainings ?? [])]));
  const runs = store.listRuns().filter(({ id, kind }) => kind !== RECORD && (ids.size === 0 || ids.has(id)));
  const distinct = (texts: readonly string[]): string => [...new Set(texts)].join('; ');
  const commands = distinct(records.map(({ reproduction }) => reproduction.command));
  return [
    ...(commands === '' ? [] : [`Made by ${commands}`]),
    `kv-distill ${distinct(runs.map(({ codeVersion, gitCommit }) => `${codeVersion} at commit ${gitCommit ?? 'unknown'}`))}`,
    `${runs.length} runs, ${Math.ceil(seconds(runs) / 60)} minutes of training and evaluation`,
    `on ${distinct(runs.map(({ machine: { cores, cpu, node } }) => `${String(cores)} × ${String(cpu)}, node ${String(node)}`))}`,
  ];
}

export interface DocumentOptions {
  /** Sections; all unless given. */
  targets?: readonly Target[];
  /** Ids of the evaluations to build them from; what `kvd reproduce` recorded unless given. */
  runs?: readonly string[] | undefined;
}

/** The report of what is stored; a UserError where nothing of it was measured. */
export function documentOf(store: Store, options: DocumentOptions = {}): ReportDocument {
  const parts = partsOf(store, options.targets ?? allTargets.list(), options.runs);
  const sections = parts.flatMap(({ target, runs }): Section[] => {
    const section = sectionOf(target, evidenceOf(store, runs));
    return section === undefined ? [] : [section];
  });
  if (sections.length === 0) {
    throw new UserError('nothing-measured', 'nothing that a table or figure shows is stored', {
      where: store.path,
      hint: 'Run `kvd reproduce --scale nano --quick`.',
    });
  }
  const scales = parts.flatMap(({ record }) =>
    record === undefined
      ? []
      : `${record.reproduction.scale} scale${record.reproduction.quick ? ', quick' : ''}`,
  );
  return {
    title: ['KV-Distill', [...new Set(scales)].join(' and ')].filter((text) => text !== '').join(': '),
    made: madeBy(store, parts),
    sections,
    sources: detailsOf(store, sections, stringify),
  };
}
