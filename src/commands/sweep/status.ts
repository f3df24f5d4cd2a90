import { Args } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class SweepStatus extends KvdCommand {
  static override summary = 'Say how the tasks of a sweep stand';
  static override examples = ['<%= config.bin %> sweep status runs/sweep-table2-1a2b3c4d'];
  static override args = { folder: Args.string({ description: "the sweep's folder", required: true }) };

  async run(): Promise<unknown> {
    const { args } = await this.parse(SweepStatus);
    const { sweepStatus, sweepTable } = await import('../../workflows/sweep.js');
    const tasks = await sweepStatus(args.folder);
    this.print(sweepTable(args.folder, tasks));
    return tasks;
  }
}
