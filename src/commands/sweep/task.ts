import { Args } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class SweepTask extends KvdCommand {
  static override hidden = true;
  static override summary = 'Run one task of a sweep, as launchers do';
  static override examples = ['<%= config.bin %> sweep task runs/sweep-table2-1a2b3c4d 0'];
  static override args = {
    folder: Args.string({ description: "the sweep's folder", required: true }),
    task: Args.integer({ description: 'number of the task, from 0', required: true, min: 0 }),
  };

  async run(): Promise<unknown> {
    const { args } = await this.parse(SweepTask);
    const { runTask } = await import('../../workflows/sweeps/task.js');
    await runTask(args.folder, args.task, this.jsonEnabled());
    return { task: args.task };
  }
}
