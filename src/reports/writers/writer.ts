/** What a report format is. */
import type { Entry } from '../../base/registry.js';
import type { Table } from '../table.js';

export interface Writer extends Entry {
  /** File ending, without the dot. */
  readonly extension: string;
  write(table: Table): string;
}
