/** What the store holds, row by row. */

export type RunStatus = 'running' | 'finished' | 'failed' | 'interrupted';

export interface RunSpec {
  kind: string;
  name: string;
  /** Resolved configuration, stored as JSON. */
  config: unknown;
  configHash: string;
  seed: number;
  engine: unknown;
  machine: unknown;
  codeVersion: string;
  gitCommit: string | null;
}

export interface RunRow extends Omit<RunSpec, 'config' | 'engine' | 'machine'> {
  id: string;
  config: Record<string, unknown>;
  engine: Record<string, unknown>;
  machine: Record<string, unknown>;
  status: RunStatus;
  startedAt: string;
  endedAt: string | null;
  error: string | null;
}

/** Runs that the same code made on machines alike. */
export interface Origin extends Pick<RunRow, 'codeVersion' | 'gitCommit' | 'machine'> {
  runs: number;
  /** By the clock, of those that have ended. */
  seconds: number;
}

export interface CellSpec {
  model: string;
  method: string;
  /** Canonical JSON. */
  methodOptions: string;
  adapterHash: string | null;
  /** Canonical JSON. */
  budget: string;
  budgetLabel: string;
  retention: number | null;
  task: string;
  taskVersion: number;
  split: string;
  seed: number;
  eviction: 'real' | 'masked';
}

export interface CellRow extends CellSpec {
  id: number;
  runId: string;
}

/** One evaluated sample (evaluation's SampleResult). */
export interface SampleRow {
  sampleId: string;
  prompt: string;
  output: string;
  references: readonly string[];
  tags: readonly string[];
  metrics: Record<string, number>;
  contextTokens: number;
  keptTokens: number;
  bytesBefore: number;
  bytesAfter: number;
  seconds: { compress: number; generate: number };
}
