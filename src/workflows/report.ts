/** Tables and whole reports from the store, in any format, on the screen or in files. */
import { join } from 'node:path';
import { UserError } from '../base/errors.js';
import { writeFileAtomic } from '../base/files.js';
import { comparison } from '../reports/comparison.js';
import type { ReportDocument } from '../reports/document.js';
import { evidenceOf } from '../reports/evidence.js';
import { targets } from '../reports/sections/index.js';
import { sectionOf } from '../reports/sections/section.js';
import type { Table } from '../reports/table.js';
import { terminalText } from '../reports/terminal-text.js';
import { writers } from '../reports/writers/index.js';
import type { Store } from '../store/store.js';

const COMPARISON = 'comparison';

/** The comparison of some runs in a format. */
export function renderComparison(store: Store, runIds: readonly string[], format: string): string {
  return writers.get(format).write(comparison(store.cellSummaries(runIds)));
}

/** The comparison of some runs (all unless given), or the first table of a section made of them. */
function tableOf(store: Store, name: string, runIds: readonly string[] | undefined): Table {
  if (name === COMPARISON) return comparison(store.cellSummaries(runIds));
  const section = sectionOf(targets.get(name), evidenceOf(store, { evaluations: runIds }));
  const block = section?.blocks.find(({ kind }) => kind === 'table');
  if (block?.kind === 'table') return block.table;
  throw new UserError('nothing-measured', `nothing that ${name} shows is stored`, {
    where: store.path,
    hint: `Run \`kvd reproduce ${name} --scale nano --quick\`.`,
  });
}

/** A table of the store in a format; written to `output` where that is given. */
export function report(
  store: Store,
  options: {
    table: string;
    format: string;
    runs?: readonly string[] | undefined;
    output?: string | undefined;
  },
): { text: string; table: Table } {
  const runIds = options.runs?.map((id) => store.run(id).id);
  const table = tableOf(store, options.table, runIds);
  const text = writers.get(options.format).write(table);
  if (options.output !== undefined) writeFileAtomic(options.output, text);
  return { text, table };
}

/** A report as a terminal shows it. */
export function asText(document: ReportDocument): string {
  return terminalText(document, (table) => writers.get('terminal').write(table));
}

/** Every table of a report in every format that makes a file, as `folder/section.ending`. */
export function writeTables(folder: string, { sections }: ReportDocument): string[] {
  return sections.flatMap(({ id, blocks }) =>
    blocks
      .flatMap((block) => (block.kind === 'table' ? [block.table] : []))
      .flatMap((table, i) =>
        writers
          .list()
          .filter((writer) => writer.name !== 'terminal')
          .map((writer) => {
            const path = join(folder, `${id}${i === 0 ? '' : `-${i + 1}`}.${writer.extension}`);
            writeFileAtomic(path, writer.write(table));
            return path;
          }),
      ),
  );
}
