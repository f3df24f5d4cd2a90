/** What a format of whole reports is. */
import type { Entry } from '../../base/registry.js';
import type { ReportDocument } from '../document.js';

export interface DocumentWriter extends Entry {
  /** File ending, without the dot. */
  readonly extension: string;
  write(document: ReportDocument): string | Promise<string>;
}
