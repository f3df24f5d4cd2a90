/** Tables from the store, in any format, on the screen or in files. */
import { join } from 'node:path';
import { writeFileAtomic } from '../base/files.js';
import { comparison } from '../reports/comparison.js';
import { table2 } from '../reports/table2.js';
import type { Table } from '../reports/table.js';
import { writers } from '../reports/writers/index.js';
import type { Store } from '../store/store.js';

/** The tables that can be asked for by name. */
export const tables: Readonly<Record<string, (store: Store, runIds?: readonly string[]) => Table>> = {
  comparison: (store, runIds) => comparison(store.cellSummaries(runIds)),
  table2: (store, runIds) => table2(store.cellSummaries(runIds)).table,
};

/** The comparison of some runs in a format. */
export function renderComparison(store: Store, runIds: readonly string[], format: string): string {
  return writers.get(format).write(comparison(store.cellSummaries(runIds)));
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
  const table = tables[options.table]!(store, runIds);
  const text = writers.get(options.format).write(table);
  if (options.output !== undefined) writeFileAtomic(options.output, text);
  return { text, table };
}

/** A table in every format that makes a file, as `folder/name.ending`. */
export function writeAllFormats(folder: string, name: string, table: Table, preface = ''): string[] {
  return writers
    .list()
    .filter((writer) => writer.name !== 'terminal')
    .map((writer) => {
      const path = join(folder, `${name}.${writer.extension}`);
      const text = writer.write(table);
      writeFileAtomic(path, writer.name === 'markdown' ? `${preface}${text}` : text);
      return path;
    });
}
