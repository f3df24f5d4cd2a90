import { Args } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class SweepCollect extends KvdCommand {
  static override summary = 'Gather what the tasks of a sweep have stored into one database';
  static override description = 'Twice does no harm: what is there already stays.';
  static override examples = ['<%= config.bin %> sweep collect runs/sweep-table2-1a2b3c4d'];
  static override args = { folder: Args.string({ description: "the sweep's folder", required: true }) };
  static override flags = { db: KvdCommand.dbFlag };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(SweepCollect);
    const { collectSweep } = await import('../../workflows/sweep.js');
    const collected = await collectSweep(args.folder, flags.db);
    const { runs, samples, complete } = collected;
    this.print(
      `Into ${flags.db}: ${runs} new runs, ${samples} new samples; ${complete} experiments complete`,
    );
    return collected;
  }
}
