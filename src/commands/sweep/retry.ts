import { Args, Flags } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class SweepRetry extends KvdCommand {
  static override summary = 'Start again what of a sweep failed, was interrupted or got lost';
  static override examples = ['<%= config.bin %> sweep retry runs/sweep-table2-1a2b3c4d --jobs 2'];
  static override args = { folder: Args.string({ description: "the sweep's folder", required: true }) };
  static override flags = {
    jobs: Flags.integer({ description: 'tasks at once, with the local launcher', default: 1, min: 1 }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(SweepRetry);
    const { retrySweep, sweepTable } = await import('../../workflows/sweep.js');
    const result = await retrySweep(args.folder, { jobs: flags.jobs, quiet: this.jsonEnabled() });
    this.print(sweepTable(result.folder, result.tasks));
    return result;
  }
}
