/** A whole report in every format. */
import { join } from 'node:path';
import { writeFileAtomic } from '../base/files.js';
import type { ReportDocument } from '../reports/document.js';
import { documentWriters } from '../reports/document-writers/index.js';

/** Writes a report as `folder/name.ending` in every format; the paths written. */
export async function writeDocument(
  folder: string,
  name: string,
  document: ReportDocument,
): Promise<string[]> {
  const paths: string[] = [];
  for (const writer of documentWriters.list()) {
    const path = join(folder, `${name}.${writer.extension}`);
    writeFileAtomic(path, await writer.write(document));
    paths.push(path);
  }
  return paths;
}
