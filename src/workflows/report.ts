/** Tables and whole reports from the store, in any format, on the screen or in files. */
import { UserError } from '../base/errors.js';
import { writeFileAtomic } from '../base/files.js';
import { comparison } from '../reports/comparison.js';
import type { ReportDocument } from '../reports/document.js';
import { documentWriters } from '../reports/document-writers/index.js';
import { evidenceOf } from '../reports/evidence.js';
import { targets } from '../reports/sections/index.js';
import { sectionOf } from '../reports/sections/section.js';
import type { Table } from '../reports/table.js';
import { tablesOf, terminalText } from '../reports/terminal-text.js';
import { terminal } from '../reports/writers/terminal.js';
import { writers } from '../reports/writers/index.js';
import type { Store } from '../store/store.js';
import { documentOf } from './stored-report.js';

const COMPARISON = 'comparison';

/** The comparison of some runs in a format. */
export function renderComparison(store: Store, runIds: readonly string[], format: string): string {
  return writers.get(format).write(comparison(store.cellSummaries(runIds)));
}

/** The comparison of some runs (all unless given), or the first table of a section made of them. */
function tableOf(store: Store, name: string, runIds: readonly string[] | undefined): Table {
  if (name === COMPARISON) return comparison(store.cellSummaries(runIds));
  const section = sectionOf(targets.get(name), evidenceOf(store, { evaluations: runIds }));
  const [table] = tablesOf(section?.blocks ?? []);
  if (table !== undefined) return table;
  throw new UserError('nothing-measured', `nothing that ${name} shows is stored`, {
    where: store.path,
    hint: `Run \`kvd reproduce ${name} --scale nano --quick\`.`,
  });
}

type Render = (document: ReportDocument) => string | Promise<string>;

/** What makes a report of a format; a terminal's is for no file. */
function renderer(format: string): Render {
  if (format === terminal.name) return asText;
  const writer = documentWriters.get(format);
  return (document) => writer.write(document);
}

export interface ReportOptions {
  /** `comparison`, or a target of `kvd reproduce`; the whole report where none is given. */
  table?: string | undefined;
  format: string;
  runs?: readonly string[] | undefined;
  output?: string | undefined;
}

/** A table of the store, or the report of it; written to `output` where that is given. */
export async function report(
  store: Store,
  options: ReportOptions,
): Promise<{ text: string; value: Table | ReportDocument }> {
  const { table: name, format, output } = options;
  const runIds = options.runs?.map((id) => store.run(id).id);
  const finish = <T extends Table | ReportDocument>(text: string, value: T): { text: string; value: T } => {
    if (output !== undefined) writeFileAtomic(output, text);
    return { text, value };
  };
  if (name === undefined) {
    const render = renderer(format);
    const document = documentOf(store, { runs: runIds });
    return finish(await render(document), document);
  }
  const writer = writers.get(format);
  const table = tableOf(store, name, runIds);
  return finish(writer.write(table), table);
}

/** A report as a terminal shows it. */
export function asText(document: ReportDocument): string {
  return terminalText(document, (table) => terminal.write(table));
}
