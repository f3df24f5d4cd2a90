import { Args } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class SweepCancel extends KvdCommand {
  static override summary = 'Ask the tasks of a sweep to save and stop';
  static override examples = ['<%= config.bin %> sweep cancel runs/sweep-table2-1a2b3c4d'];
  static override args = { folder: Args.string({ description: "the sweep's folder", required: true }) };

  async run(): Promise<unknown> {
    const { args } = await this.parse(SweepCancel);
    const { cancelSweep } = await import('../../workflows/sweep.js');
    await cancelSweep(args.folder);
    this.print(`Asked to stop; what is done is kept. Go on with: kvd sweep retry ${args.folder}`);
    return { folder: args.folder };
  }
}
