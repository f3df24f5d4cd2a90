/** A whole report as data: what the paper's tables and figures become before a writer turns them into a page. */
import type { Table } from './table.js';

/** Cells of the store behind a number: `run/cell`, so that a reader can go from a number to its samples. */
export type Source = readonly string[];

export interface ChartPoint {
  x: number;
  y: number;
  stderr?: number;
  sources?: Source;
}

export interface Series {
  name: string;
  points: readonly ChartPoint[];
}

/** Values against one quantity, with error bands. */
export interface LineChart {
  kind: 'lines';
  title: string;
  x: { label: string; scale: 'linear' | 'log'; format: 'number' | 'percent' };
  y: { label: string };
  series: readonly Series[];
  /** Horizontal reference lines, such as the uncompressed model and the model without any context. */
  rules: readonly { name: string; y: number; stderr?: number; sources?: Source }[];
}

/** One heat map a facet (a method), all on one colour scale. */
export interface HeatMap {
  kind: 'heatmap';
  title: string;
  x: { label: string; values: readonly (string | number)[] };
  y: { label: string; values: readonly (string | number)[] };
  /** Least and greatest value of the colour scale. */
  value: { label: string; from: number; to: number };
  facets: readonly {
    name: string;
    cells: readonly {
      x: string | number;
      y: string | number;
      value: number;
      stderr?: number;
      sources?: Source;
    }[];
  }[];
}

export type Chart = LineChart | HeatMap;

/** Generated text with the spans that its reference does not support. */
export interface MarkedText {
  label: string;
  /** ROUGE-L or another mark of this very text. */
  note: string;
  spans: readonly { text: string; unsupported: boolean }[];
}

/** One question with what several settings answered, side by side. */
export interface SideBySide {
  kind: 'side-by-side';
  title: string;
  prompt: string;
  references: readonly string[];
  texts: readonly MarkedText[];
  sources?: Source;
}

/** One of the paper's claims, computed from what was measured. */
export interface Claim {
  /** What the paper says, as measured here: "kvd above h2i at 20 %". */
  text: string;
  /** `unknown` where what it compares was not measured. */
  verdict: 'holds' | 'fails' | 'undecided' | 'unknown';
  /** Difference that decides it, in the unit named, with its standard error. */
  difference?: { value: number; stderr: number; unit: string };
  /** |difference| (from its threshold) over its standard error. */
  sigmas?: number;
  /** How the error was found, or which part of the claim decided. */
  note?: string;
}

export type Block =
  | { kind: 'table'; table: Table }
  | { kind: 'chart'; chart: Chart; notes: readonly string[] }
  | { kind: 'side-by-side'; items: readonly SideBySide[]; notes: readonly string[] }
  | { kind: 'text'; text: string };

export interface Section {
  /** Name by which `kvd reproduce` asks for it, such as `table2`. */
  id: string;
  title: string;
  /** One or two sentences on what is shown and how to read it. */
  intro: string;
  blocks: readonly Block[];
  claims: readonly Claim[];
}

/** What a reader may look up behind a number. */
export interface SourceDetail {
  /** `run/cell`. */
  id: string;
  /** Method, budget, task, seed in words. */
  label: string;
  /** Resolved configuration of the run, as YAML. */
  config: string;
  /** Commit, machine, start and duration in words. */
  made: string;
  /** The first few samples. */
  samples: readonly { prompt: string; output: string; references: readonly string[]; marks: string }[];
}

export interface ReportDocument {
  title: string;
  /** How it was made: command, commit, duration, machine; one line each. */
  made: readonly string[];
  sections: readonly Section[];
  sources: readonly SourceDetail[];
}
