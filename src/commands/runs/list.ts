import { Flags } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class RunsList extends KvdCommand {
  static override summary = 'List stored runs, newest first';
  static override examples = ['<%= config.bin %> runs list --kind eval'];
  static override flags = {
    db: KvdCommand.dbFlag,
    kind: Flags.string({ description: 'only runs of this kind', options: ['train', 'eval', 'pretrain'] }),
    limit: Flags.integer({ description: 'most runs', default: 50, min: 1 }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(RunsList);
    const { listRuns } = await import('../../workflows/runs.js');
    const { rows, text } = listRuns(flags);
    this.print(text);
    return rows;
  }
}
